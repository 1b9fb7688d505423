"""The machine's own mongod. Where there is none, what takes its place on the PATH is the stand-in."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pymongo import MongoClient
from reelback_local.stores import access

from tests.unit.common.broker import PASSWORD
from tests.unit.common.ports import free_port

Start = Callable[[str], subprocess.Popen[str]]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def start(port: int, tmp_path: Path) -> Iterator[Start]:
    """Starts `reelback_local.stores.mongod` with this shell script as mongod."""
    started: list[subprocess.Popen[str]] = []

    def begin(script: str) -> subprocess.Popen[str]:
        mongod = tmp_path / "bin" / "mongod"
        mongod.parent.mkdir()
        mongod.write_text(f"#!/bin/sh\n{script}\n")
        mongod.chmod(0o755)
        env = {**os.environ, access.VARIABLE: PASSWORD, "PATH": f"{mongod.parent}:{os.environ['PATH']}"}
        module = [sys.executable, "-m", "reelback_local.stores.mongod"]
        started.append(
            subprocess.Popen(
                [*module, "--port", str(port), "--folder", str(tmp_path / "data")],
                env=env,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        return started[0]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def test_who_listens_in_its_place_is_not_told_the_password(start: Start, port: int) -> None:
    with socket.create_server(("127.0.0.1", port)) as impostor:
        impostor.setblocking(False)
        process = start("sleep 1; exit 48")  # as mongod says that its port is in use
        assert process.wait(30) == 48
        with pytest.raises(BlockingIOError):
            impostor.accept()


def test_it_serves_until_it_is_told_to_end(start: Start, port: int, tmp_path: Path) -> None:
    stand_in = f"exec {sys.executable} -m reelback_local.stores.mongo --port {port} --file {tmp_path}/mongo.mv"
    process = start(stand_in)
    url = access.url("mongodb", "127.0.0.1", port, PASSWORD)
    with MongoClient[dict[str, object]](url, serverSelectionTimeoutMS=60_000) as client:
        assert client.admin.command("ping")["ok"]
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert (tmp_path / "data.conf").stat().st_mode & 0o777 == 0o600
    assert "authorization: enabled" in (tmp_path / "data.conf").read_text()


def test_one_with_another_user_ends_and_says_so(start: Start, port: int, tmp_path: Path) -> None:
    stand_in = f"exec {sys.executable} -m reelback_local.stores.mongo --port {port} --file {tmp_path}/mongo.mv"
    process = start(f"{access.VARIABLE}=another {stand_in}")
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "has another user" in said
