"""Web as a process, with a small build of its own and a place where envelopes arrive."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import brotli
import httpx2
import pytest

from tests.unit.common.ports import free_port

SCRIPT = b"console.log('spin');\n" * 50
KEY = "a_key_of_browsers"


@dataclass
class Sentry:
    """What takes envelopes: it keeps each with its path and key, and answers as it is told."""

    port: int = 0
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    received: list[tuple[str, str, bytes]] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        return f"http://{KEY}@127.0.0.1:{self.port}/2"


@pytest.fixture
def sentry() -> Iterator[Sentry]:
    it = Sentry()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            it.received.append((self.path, self.headers["x-sentry-auth"], body))
            self.send_response(it.status)
            for name, value in {**it.headers, "X-Sentry-Error": "an inner detail", "Content-Length": "2"}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    it.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield it
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A build of the pages."""
    folder = tmp_path / "site"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text(
        '<!doctype html><title>Reelback</title><script type="application/json" id="settings"></script>'
    )
    (folder / "assets" / "index-abc.js").write_bytes(SCRIPT)
    (folder / "assets" / "index-abc.js.br").write_bytes(brotli.compress(SCRIPT))
    (folder / "assets" / "index-abc.js.gz").write_bytes(gzip.compress(SCRIPT))
    return folder


@dataclass
class Web:
    http: httpx2.Client
    popen: subprocess.Popen[bytes]
    log: Path


Start = Callable[..., Web]


@pytest.fixture
def start(site: Path, tmp_path: Path) -> Iterator[Start]:
    """Starts web with further variables, and waits until it is ready."""
    started: list[Web] = []

    def begin(**variables: str) -> Web:
        port, log = free_port(), tmp_path / f"log{len(started)}"
        own = {"PORT": str(port), "METRICS_PORT": "0", "SITE_FOLDER": str(site), "SENTRY_RELEASE": "web@1.4.0"}
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, "-m", "reelback_web"],
                env={**os.environ, **own, **variables},
                stdout=out,
                stderr=out,
            )
        # Only what a test asks for is accepted, not what the client would add.
        http = httpx2.Client(base_url=f"http://127.0.0.1:{port}", headers={"Accept-Encoding": "identity"}, timeout=20)
        started.append(Web(http, popen, log))
        end = time.monotonic() + 30
        while not _ready(http):
            assert popen.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        return started[-1]

    yield begin
    for web in started:
        web.http.close()
        web.popen.kill()
        web.popen.wait()


@pytest.fixture
def web(start: Start) -> Web:
    return start()


def _ready(http: httpx2.Client) -> bool:
    try:
        return http.get("/readyz").status_code == 200
    except httpx2.TransportError:
        return False
