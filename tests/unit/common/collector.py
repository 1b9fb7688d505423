"""A backend that takes what Sentry's SDK and OTLP exporters send over HTTP, and keeps it decoded."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Literal, TypeVar

import brotli
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

T = TypeVar("T")


@dataclass(frozen=True)
class ReceivedSpan:
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    flags: int
    status: int
    service: str
    attributes: dict[str, Any]

    @property
    def segment(self) -> bool:
        """Without a parent, or with a remote one (bit 9 of OTLP's flags)."""
        return not self.parent_id or bool(self.flags & 0x200)


class Collector:
    """`items` are the items of envelopes as (type, payload), `spans` those of OTLP requests, in order of arrival."""

    def __init__(self) -> None:
        self.items: list[tuple[str, Any]] = []
        self.spans: list[ReceivedSpan] = []
        self.dsn = ""

    def take(self, path: str, encoding: str, body: bytes) -> None:
        if encoding:
            body = {"gzip": gzip.decompress, "br": brotli.decompress}[encoding](body)
        if "/otlp/" in path:
            self.spans += _spans(body)
        else:
            self.items += _items(body)

    def of(self, kind: str) -> list[Any]:
        return [payload for item, payload in self.items if item == kind]

    def trace(self, trace_id: str) -> list[ReceivedSpan]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def wait(self, look: Callable[[], T | Literal[False]], seconds: float = 10) -> T:
        """What `look` gives as soon as it is not empty."""
        end = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < end, "it never arrived"
            time.sleep(0.05)
        return found


def _items(body: bytes) -> Iterator[tuple[str, Any]]:
    lines = iter(body.split(b"\n")[1:])
    for header in lines:
        if header:
            yield json.loads(header)["type"], json.loads(next(lines))


def _spans(body: bytes) -> Iterator[ReceivedSpan]:
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        service = next(a.value.string_value for a in resource.resource.attributes if a.key == "service.name")
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    name=span.name,
                    kind=span.kind,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    flags=span.flags,
                    status=span.status.code,
                    service=service,
                    attributes={a.key: getattr(a.value, a.value.WhichOneof("value") or "") for a in span.attributes},
                )


@contextmanager
def running() -> Iterator[Collector]:
    """A collector that listens; its `dsn` is what a service needs."""
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            collector.take(self.path, self.headers.get("content-encoding", ""), body)
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        collector.dsn = f"http://public@127.0.0.1:{http.server_address[1]}/1"
        thread = Thread(target=http.serve_forever, daemon=True)
        thread.start()
        try:
            yield collector
        finally:
            http.shutdown()
            thread.join()
