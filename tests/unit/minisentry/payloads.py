"""What an SDK sends, as small as it can be."""

import time
import uuid
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status


def trace_id() -> str:
    return uuid.uuid4().hex


def span_id() -> str:
    return uuid.uuid4().hex[:16]


def error(release: str, kind: str = "ValueError", **more: Any) -> dict[str, Any]:
    frame = {
        "module": "payment.rules",
        "function": "charge",
        "filename": "payment/rules.py",
        "lineno": 7,
        "in_app": True,
    }
    return {
        "event_id": uuid.uuid4().hex,
        "timestamp": time.time(),
        "release": release,
        "environment": "test",
        "platform": "python",
        "exception": {"values": [{"type": kind, "value": "declined", "stacktrace": {"frames": [frame]}}]},
        **more,
    }


def transaction(release: str, milliseconds: float, status: str = "ok", **more: Any) -> dict[str, Any]:
    end = time.time()
    return {
        "event_id": uuid.uuid4().hex,
        "type": "transaction",
        "transaction": "Charge",
        "start_timestamp": end - milliseconds / 1000,
        "timestamp": end,
        "release": release,
        "environment": "test",
        "contexts": {"trace": {"trace_id": trace_id(), "span_id": span_id(), "op": "rpc.server", "status": status}},
        "spans": [],
        **more,
    }


REMOTE, LOCAL = 0x300, 0x100


def otlp_span(release: str, name: str = "Charge", **more: Any) -> Span:
    """A span of 20 ms that ends now; `more` are fields of the message, ids as hexadecimal text."""
    for field in ("trace_id", "span_id", "parent_span_id"):
        if field in more:
            more[field] = bytes.fromhex(more[field])
    now = time.time_ns()
    fields: dict[str, Any] = {
        "trace_id": bytes.fromhex(trace_id()),
        "span_id": bytes.fromhex(span_id()),
        "start_time_unix_nano": now - 20_000_000,
        "end_time_unix_nano": now,
        "flags": LOCAL,
        **more,
    }
    span = Span(name=name, **fields)
    span.attributes.extend([text("sentry.release", release), text("sentry.environment", "test")])
    return span


def text(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def otlp(*spans: Span, service: str = "payment") -> bytes:
    resource = Resource(attributes=[text("service.name", service)])
    group = ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=spans)])
    return ExportTraceServiceRequest(resource_spans=[group]).SerializeToString()


FAILED = Status(code=Status.STATUS_CODE_ERROR)
CONSUMER, PRODUCER = Span.SPAN_KIND_CONSUMER, Span.SPAN_KIND_PRODUCER


def profile(
    release: str, *stretches: tuple[str, float, tuple[str, ...]], step: float = 0.01, **more: Any
) -> dict[str, Any]:
    """A chunk that ends now, of a sample each `step` s: a thread spends so many seconds in a stack, innermost first.

    Functions are of the module `game.rng` and, unless they begin with an underscore, of the service's own.
    """
    names = list(dict.fromkeys(name for _, _, stack in stretches for name in stack))
    clocks: dict[str, float] = {}
    samples: list[dict[str, Any]] = []
    for number, (thread, seconds, _) in enumerate(stretches):
        for _ in range(round(seconds / step)):
            at = clocks.setdefault(thread, 0.0)
            samples.append({"timestamp": at, "thread_id": thread, "stack_id": number})
            clocks[thread] = at + step
    last = {thread: number for number, (thread, _, _) in enumerate(stretches)}
    samples += [{"timestamp": clocks[thread], "thread_id": thread, "stack_id": last[thread]} for thread in last]
    end, longest = time.time(), max(clocks.values())
    for sample in samples:
        sample["timestamp"] += end - longest
    frames = [{"function": name, "module": "game.rng", "lineno": 7, "in_app": name[0] != "_"} for name in names]
    return {
        "version": "2",
        "chunk_id": uuid.uuid4().hex,
        "profiler_id": uuid.uuid4().hex,
        "platform": "python",
        "release": release,
        "environment": "test",
        "profile": {
            "frames": frames,
            "stacks": [[names.index(name) for name in stack] for _, _, stack in stretches],
            "samples": samples,
            "thread_metadata": {thread: {"name": thread} for thread in clocks},
        },
        **more,
    }
