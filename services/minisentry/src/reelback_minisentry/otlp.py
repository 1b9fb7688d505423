"""OTLP/HTTP: an ExportTraceServiceRequest as spans.

A service's segment is a span without a parent or with a parent in another process, which OTLP says in the span's
flags; senders that set no flags are judged by the span's kind. Release and environment are read from the span alone,
as Sentry does: a release that only the resource names would be counted here and nowhere at Sentry.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from reelback_minisentry.envelope import Rejected
from reelback_minisentry.records import Scalars, Span
from reelback_minisentry.sdkspans import MAX_ATTRIBUTES, origin_of, service_of
from reelback_minisentry.values import near, text

ANSWER = ExportTraceServiceResponse().SerializeToString()

MAX_SPANS = 10_000
"""Spans of a request; the SDK's exporter sends 512."""

_KNOWS_REMOTE = trace_pb2.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_IS_REMOTE = trace_pb2.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_ENTRIES = (trace_pb2.Span.SPAN_KIND_SERVER, trace_pb2.Span.SPAN_KIND_CONSUMER)
_FAILED = trace_pb2.Status.STATUS_CODE_ERROR


def parse(body: bytes, project: str, now: float) -> list[Span]:
    """The spans of a request. Raises Rejected: 400 for what is no such message, 413 for too many spans."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError:
        raise Rejected(400, "the body is not an ExportTraceServiceRequest") from None
    spans: list[Span] = []
    for resource_spans in request.resource_spans:
        service = text(_attributes(resource_spans.resource.attributes).get("service.name"))
        for scope_spans in resource_spans.scope_spans:
            if len(spans) + len(scope_spans.spans) > MAX_SPANS:
                raise Rejected(413, f"the request has more than {MAX_SPANS} spans")
            spans += [_span(span, service, project, now) for span in scope_spans.spans if _identified(span)]
    return spans


def _identified(span: trace_pb2.Span) -> bool:
    return len(span.trace_id) == 16 and len(span.span_id) == 8


def _span(span: trace_pb2.Span, service: str, project: str, now: float) -> Span:
    attributes = _attributes(span.attributes)
    origin = origin_of(attributes, project)
    end = near(span.end_time_unix_nano / 1e9, now)
    # The length is kept when the sender's clock is not ours.
    length = max(0, span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        segment=_is_segment(span),
        name=text(span.name),
        op=_op(span.kind, attributes),
        status="internal_error" if span.status.code == _FAILED else "ok",
        start=end - min(length, 86_400.0),
        end=end,
        origin=origin,
        service=service or service_of(origin.release),
        attributes=attributes,
    )


def _is_segment(span: trace_pb2.Span) -> bool:
    if not span.parent_span_id:
        return True
    if span.flags & _KNOWS_REMOTE:
        return bool(span.flags & _IS_REMOTE)
    return span.kind in _ENTRIES


def _attributes(pairs: Iterable[KeyValue]) -> Scalars:
    """The first attributes whose values are scalars."""
    kept: Scalars = {}
    for pair in pairs:
        kind = pair.value.WhichOneof("value")
        if kind == "string_value":
            kept[pair.key[:200]] = pair.value.string_value[:1000]
        elif kind in ("int_value", "double_value", "bool_value"):
            kept[pair.key[:200]] = getattr(pair.value, kind)
        if len(kept) == MAX_ATTRIBUTES:
            break
    return kept


def _op(kind: int, attributes: Scalars) -> str:
    """Sentry's name for the kind of work, from OpenTelemetry's conventions."""
    server = kind in _ENTRIES
    if "rpc.system" in attributes or "rpc.method" in attributes or "rpc.grpc.status_code" in attributes:
        return "rpc.server" if server else "rpc.client"
    if "http.request.method" in attributes or "http.method" in attributes:
        return "http.server" if server else "http.client"
    if "db.system" in attributes or "db.system.name" in attributes:
        return "db"
    if "messaging.system" in attributes:
        return "queue.process" if server else "queue.publish"
    return "default"
