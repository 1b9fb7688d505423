"""A mailbox as a process, reached over its ports."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from tests.unit.common.ports import free_port


@dataclass
class Mailbox:
    smtp_port: int
    http: httpx2.Client
    popen: subprocess.Popen[bytes]
    log: Path


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    smtp_port, port, log = free_port(), free_port(), tmp_path / "log"
    variables = {"PORT": str(port), "SMTP_PORT": str(smtp_port), "METRICS_PORT": "0"}
    with log.open("wb") as out:
        popen = subprocess.Popen(
            [sys.executable, "-m", "reelback_mailbox"], env={**os.environ, **variables}, stdout=out, stderr=out
        )
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}") as http:
            end = time.monotonic() + 20
            while not _ready(http):
                assert popen.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
            yield Mailbox(smtp_port, http, popen, log)
    finally:
        popen.kill()
        popen.wait()


def _ready(http: httpx2.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False
