"""Real servers that several parts' tests share, one of each a test run."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from reelback_local.stores import access, servers

from tests.unit.common.broker import PASSWORD, Broker
from tests.unit.common.ports import free_port


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The Redis of the local stack."""
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    with _running(servers.redis("127.0.0.1", port, folder).command, port, folder):
        yield access.url("redis", "127.0.0.1", port, PASSWORD)


@pytest.fixture(scope="session")
def mongodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The MongoDB of the local stack."""
    port, folder = free_port(), tmp_path_factory.mktemp("mongodb")
    with _running(servers.mongodb("127.0.0.1", port, folder).command, port, folder):
        yield access.url("mongodb", "127.0.0.1", port, PASSWORD)


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
        env = {**os.environ, access.VARIABLE: PASSWORD}
        server = subprocess.Popen(command, cwd=folder, env=env, stdout=out, stderr=subprocess.STDOUT)
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
