"""Batches of spans at a backend that is well, restarts, or wants less."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from reelback_telemetry.exporter import SentryExporter


class Backend(ThreadingHTTPServer):
    """Answers with `statuses` in turn, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.requests: list[tuple[str, str, bytes]] = []

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.server_address[1]}/7"


class _Handler(BaseHTTPRequestHandler):
    server: Backend
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests.append((self.path, self.headers["x-sentry-auth"], body))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("retry-after", "3600")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def backend() -> Iterator[Backend]:
    with Backend() as http:
        thread = Thread(target=http.serve_forever, daemon=True)
        thread.start()
        yield http
        http.shutdown()
        thread.join()


@pytest.fixture
def spans() -> tuple[ReadableSpan, ...]:
    ended, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ended))
    provider.get_tracer("shop").start_span("order").end()
    return ended.get_finished_spans()


def test_a_batch_goes_to_the_path_of_the_dsn(backend: Backend, spans: tuple[ReadableSpan, ...]) -> None:
    assert SentryExporter(backend.dsn).export(spans) is SpanExportResult.SUCCESS
    [(path, auth, body)] = backend.requests
    assert path == "/api/7/integration/otlp/v1/traces/"
    assert "sentry_key=key" in auth
    sent = ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans
    assert [span.name for span in sent] == ["order"]


def test_a_backend_that_restarts_is_asked_again(backend: Backend, spans: tuple[ReadableSpan, ...]) -> None:
    backend.statuses = [502, 503]
    assert SentryExporter(backend.dsn).export(spans) is SpanExportResult.SUCCESS
    assert len({body for *_, body in backend.requests}) == 1
    assert len(backend.requests) == 3


@pytest.mark.parametrize(("statuses", "asked"), [([503] * 9, 3), ([429], 1), ([403], 1), ([307], 1)])
def test_a_batch_that_nobody_takes_is_dropped(
    backend: Backend, spans: tuple[ReadableSpan, ...], statuses: list[int], asked: int, caplog: pytest.LogCaptureFixture
) -> None:
    refused = statuses[0]
    backend.statuses = statuses
    assert SentryExporter(backend.dsn).export(spans) is SpanExportResult.FAILURE
    assert len(backend.requests) == asked
    assert f"1 spans were refused: {refused}" in caplog.text
