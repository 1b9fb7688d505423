"""Telemetry of events that go through Kafka, whichever client carries them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager

from opentelemetry import propagate
from opentelemetry.trace import Span, SpanKind

from reelback_telemetry.propagation import BAGGAGE
from reelback_telemetry.request import request


def trace_headers() -> dict[str, str]:
    """The trace headers of the current span, to be kept beside what causes an event; empty without a span.

    Baggage is not kept: whoever sends a request may fill it with anything.
    """
    headers: dict[str, str] = {}
    propagate.inject(headers)
    headers.pop(BAGGAGE, None)
    return headers


def processing(
    topic: str, headers: Iterable[tuple[str, str | bytes | None]], *, group: str, partition: int, offset: int
) -> AbstractContextManager[Span]:
    """A request for one event of a topic: it continues the trace in the event's headers, whose values are bytes."""
    carrier = {name: value.decode(errors="replace") for name, value in headers if isinstance(value, bytes)}
    attributes: dict[str, str | int] = {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": topic,
        "messaging.destination.partition.id": str(partition),
        "messaging.kafka.offset": offset,
        "messaging.consumer.group.name": group,
    }
    return request(f"process {topic}", carrier, attributes, kind=SpanKind.CONSUMER)
