"""OTLP/HTTP: an ExportTraceServiceRequest as spans.

A service's segment is a span without a parent or with a parent in another process, which OTLP says in the span's
flags; senders that set no flags are judged by the span's kind. Release, environment and sample rate are read from the
span's attributes alone, as Sentry does: a release that only the resource names would be counted here and nowhere at
Sentry, and so would a rate that only the tracestate names.

Of every span only what is counted is looked at when it comes. It is stored as it came, and read whole when somebody
looks at its trace: of a hundred thousand spans that may be a dozen.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import b2a_base64
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2

from reelback_minisentry.release_names import service_of
from reelback_minisentry.spans.sdk import MAX_ATTRIBUTES, USER, origin_of
from reelback_minisentry.stats import distinct, sampling
from reelback_minisentry.store.records import Origin, Records, Scalars, Segment, Span
from reelback_minisentry.timestamps import near
from reelback_minisentry.untrusted import Rejected, text

ANSWER = ExportTraceServiceResponse().SerializeToString()

MAX_SPANS = 10_000
"""Spans of a request; the SDK's exporter sends 512."""

MAX_SPAN_BYTES = 64 * 1024
"""A longer span is stored without its attributes, events and links."""

RELEASE, ENVIRONMENT = "sentry.release", "sentry.environment"

_KNOWS_REMOTE = trace_pb2.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK
_IS_REMOTE = trace_pb2.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK
_ENTRIES = (trace_pb2.Span.SPAN_KIND_SERVER, trace_pb2.Span.SPAN_KIND_CONSUMER)
_FAILED = trace_pb2.Status.STATUS_CODE_ERROR


def read(body: bytes, project: str, now: float) -> Records:
    """What a request brings. Raises Rejected: 400 for what is no such message, 413 for too many spans."""
    request = ExportTraceServiceRequest()
    try:
        request.ParseFromString(body)
    except DecodeError:
        raise Rejected(400, "the body is not an ExportTraceServiceRequest") from None
    records = Records(now, len(body))
    for resource_spans in request.resource_spans:
        service = text(_attributes(resource_spans.resource.attributes).get("service.name"))
        traces: defaultdict[bytes, list[str]] = defaultdict(list)
        for scope_spans in resource_spans.scope_spans:
            records.items["otlp_span"] += len(scope_spans.spans)
            if records.items["otlp_span"] > MAX_SPANS:
                raise Rejected(413, f"the request has more than {MAX_SPANS} spans")
            for span in scope_spans.spans:
                trace_id = span.trace_id
                if len(trace_id) != 16 or len(span.span_id) != 8:
                    continue
                if _is_segment(span):
                    records.segments.append(_segment(span, trace_id, project, now))
                traces[trace_id].append(_packed(span))
        stored = {"service": service, "project": project, "now": now}
        records.lines += [
            (trace_id.hex(), orjson.dumps(stored | {"otlp": spans})) for trace_id, spans in traces.items()
        ]
    return records


def stored_spans(line: Mapping[str, Any]) -> list[Span]:
    """The spans of a stored line: {"otlp": [a span's message in base64], "service", "project", "now"}."""
    spans = (trace_pb2.Span.FromString(b64decode(packed)) for packed in line["otlp"])
    return [_span(span, line["service"], line["project"], line["now"]) for span in spans]


def _packed(span: trace_pb2.Span) -> str:
    raw = span.SerializeToString()
    if len(raw) > MAX_SPAN_BYTES:
        for field in ("attributes", "events", "links", "trace_state"):
            span.ClearField(field)
        span.name = text(span.name)
        raw = span.SerializeToString()
    return b2a_base64(raw, newline=False).decode()


def _segment(span: trace_pb2.Span, trace_id: bytes, project: str, now: float) -> Segment:
    """What is counted of a segment: neither its ids nor most of its attributes."""
    release = environment = user = ""
    rate: float | None = None
    for pair in span.attributes:
        key = pair.key
        if key == RELEASE:
            release = pair.value.string_value
        elif key == ENVIRONMENT:
            environment = pair.value.string_value
        elif key == USER:
            user = pair.value.string_value
        elif key == sampling.ATTRIBUTE:
            rate = pair.value.double_value or pair.value.int_value
    start, end = _times(span, now)
    return Segment(
        _origin(release, environment, project),
        text(span.name),
        _status(span),
        start,
        end,
        1.0 if rate is None else sampling.rate(rate),
        int.from_bytes(trace_id[-distinct.WIDTH :], "big"),
        distinct.hashed(text(user)) if user else None,
    )


@lru_cache(1024)
def _origin(release: str, environment: str, project: str) -> Origin:
    """The origin of these names: few, and asked for with every segment."""
    return origin_of({RELEASE: release, ENVIRONMENT: environment}, project)


def _span(span: trace_pb2.Span, service: str, project: str, now: float) -> Span:
    attributes = _attributes(span.attributes)
    origin = origin_of(attributes, project)
    start, end = _times(span, now)
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        segment=_is_segment(span),
        name=text(span.name),
        op=_op(span.kind, attributes),
        status=_status(span),
        start=start,
        end=end,
        sample_rate=sampling.rate(attributes.get(sampling.ATTRIBUTE)),
        user=text(attributes.get(USER)),
        origin=origin,
        service=service or service_of(origin.release),
        attributes=attributes,
    )


def _times(span: trace_pb2.Span, now: float) -> tuple[float, float]:
    """Start and end. The length is kept when the sender's clock is not ours."""
    end = near(span.end_time_unix_nano / 1e9, now)
    length = max(0, span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    return end - min(length, 86_400.0), end


def _status(span: trace_pb2.Span) -> str:
    return "internal_error" if span.status.code == _FAILED else "ok"


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
