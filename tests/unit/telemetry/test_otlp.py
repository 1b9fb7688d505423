"""What is written of spans, against the SDK's own encoder."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
)
from reelback_telemetry import otlp

REMOTE = SpanContext(0xA1, 0xB2, is_remote=True, trace_flags=TraceFlags(1))
FOREIGN = SpanContext(0xA1, 0xB2, is_remote=True, trace_flags=TraceFlags(1), trace_state=TraceState([("vendor", "x")]))


@pytest.fixture
def ended() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(ended: InMemorySpanExporter) -> trace.Tracer:
    provider = TracerProvider(resource=Resource.create({"service.name": "shop", "shop.id": 7}))
    provider.add_span_processor(SimpleSpanProcessor(ended))
    return provider.get_tracer("shop")


def _read(body: bytes) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(body)


def _of_sdk(spans: tuple[ReadableSpan, ...]) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(encode_spans(spans).SerializeToString())


@pytest.mark.parametrize("kind", SpanKind)
@pytest.mark.parametrize(
    "status", [Status(), Status(StatusCode.OK), Status(StatusCode.ERROR, "why"), Status(StatusCode.ERROR)]
)
def test_a_plain_span_is_written_as_by_the_sdk(
    tracer: trace.Tracer, ended: InMemorySpanExporter, kind: SpanKind, status: Status
) -> None:
    above = trace.set_span_in_context(NonRecordingSpan(REMOTE))
    with tracer.start_as_current_span(
        "order", above, kind=kind, attributes={"a": "é", "b": True, "c": 1, "d": 1.0}
    ) as it:
        tracer.start_span("inside", attributes={"b": 1, "c": 1.5, "d": False}).end()
        it.set_status(status)
    tracer.start_span("alone").end()
    spans = ended.get_finished_spans()
    assert len(spans) == 3
    assert _read(otlp.encode(spans)) == _of_sdk(spans)


def test_what_is_rare_is_written_too(tracer: trace.Tracer, ended: InMemorySpanExporter) -> None:
    tracer.start_span("plain").end()
    with tracer.start_as_current_span("list", attributes={"items": ["a", "b"]}):
        pass
    with tracer.start_as_current_span("event") as it:
        it.add_event("sold", {"left": 3})
    with tracer.start_as_current_span("link", links=[Link(REMOTE, {"why": "batch"})]):
        pass
    with tracer.start_as_current_span("foreign", trace.set_span_in_context(NonRecordingSpan(FOREIGN))):
        pass
    written = _read(otlp.encode(ended.get_finished_spans()))
    for span in ended.get_finished_spans():
        expected = _of_sdk((span,)).resource_spans[0].scope_spans[0].spans[0]
        assert expected in [each for of in written.resource_spans for scope in of.scope_spans for each in scope.spans]
    assert len(written.resource_spans) == 2
    assert all(of.resource == written.resource_spans[0].resource for of in written.resource_spans)


def test_spans_of_several_libraries_keep_their_scopes(ended: InMemorySpanExporter) -> None:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ended))
    for name in ("one", "two", "one"):
        provider.get_tracer(name).start_span("x").end()
    spans = ended.get_finished_spans()
    assert _read(otlp.encode(spans)) == _of_sdk(spans)
