"""What browsers report, read on its way from web to minisentry."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2


@dataclass(frozen=True)
class Item:
    """One item of an envelope: its header, and its payload as it came."""

    header: dict[str, Any]
    payload: bytes

    @property
    def kind(self) -> str:
        return str(self.header["type"])

    @property
    def json(self) -> Any:
        return json.loads(self.payload)

    @property
    def recording(self) -> str:
        """The events of a recording, as text."""
        _, _, events = self.payload.partition(b"\n")
        return (events if events[:1] == b"[" else zlib.decompress(events)).decode()


@dataclass
class Reports:
    """Everything that has come so far; passed on to `onward`, once that is known."""

    port: int
    onward: str = ""
    envelopes: list[bytes] = field(default_factory=list)

    @property
    def dsn(self) -> str:
        return f"http://browsers@127.0.0.1:{self.port}/2"

    def items(self, kind: str, since: int = 0) -> list[Item]:
        """The items of a kind in the envelopes that came from that one on."""
        return [item for envelope in self.envelopes[since:] for item in items(envelope) if item.kind == kind]


def items(envelope: bytes) -> Iterator[Item]:
    """The items of an envelope."""
    _, _, rest = envelope.partition(b"\n")
    while rest:
        line, _, rest = rest.partition(b"\n")
        if not line:
            continue
        header = json.loads(line)
        length = header.get("length", rest.find(b"\n") if b"\n" in rest else len(rest))
        yield Item(header, rest[:length])
        rest = rest[length:].removeprefix(b"\n")


@contextmanager
def listening() -> Iterator[Reports]:
    """A place where envelopes arrive."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            reports.envelopes.append(body)
            status = 200
            if reports.onward:
                key, _, address = reports.onward.removeprefix("http://").partition("@")
                headers = {"Content-Type": "application/x-sentry-envelope", "X-Sentry-Auth": f"Sentry sentry_key={key}"}
                url = f"http://{address.rpartition('/')[0]}/api/2/envelope/"
                first, _, rest = body.partition(b"\n")
                there = json.dumps({**json.loads(first), "dsn": reports.onward}).encode()
                status = httpx2.post(url, content=there + b"\n" + rest, headers=headers, timeout=10).status_code
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    reports = Reports(server.server_port)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield reports
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
