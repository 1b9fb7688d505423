"""Spans in the two forms of Sentry's own SDKs: a `transaction` with its children, and the `span` item (version 2)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reelback_minisentry.release_names import service_of
from reelback_minisentry.stats import sampling
from reelback_minisentry.store.records import Origin, Scalars, Span
from reelback_minisentry.timestamps import near, seconds
from reelback_minisentry.untrusted import hex_id, obj, objects, text

USER = "user.id"
"""Where a span names whoever asked."""

MAX_SPANS = 1000
MAX_ATTRIBUTES = 64

STATUSES = frozenset(
    {
        *("ok", "cancelled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists"),
        *("permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range"),
        *("unimplemented", "internal_error", "unavailable", "data_loss", "unauthenticated"),
    }
)
"""Sentry's names of a span's status."""


def scalars(attributes: dict[str, Any]) -> Scalars:
    """The first attributes that are text, numbers or booleans, texts cut."""
    if not attributes:
        return {}
    kept: Scalars = {}
    for key, value in attributes.items():
        if isinstance(value, (str, int, float)):
            kept[str(key)[:200]] = value[:1000] if isinstance(value, str) else value
            if len(kept) == MAX_ATTRIBUTES:
                break
    return kept


def status_of(value: object) -> str:
    """A span's status by its name; one that has none went well, "error" says no more than that it failed."""
    name = text(value, 64)
    if name == "error":
        return "internal_error"
    return name if name in STATUSES else "unknown" if name else "ok"


def origin_of(attributes: Scalars, project: str) -> Origin:
    """Release and environment as a span itself names them."""
    return Origin(text(attributes.get("sentry.environment"), 64), project, text(attributes.get("sentry.release")))


def user_of(event: dict[str, Any]) -> str:
    """Whom an event is about, by the first of what may name them; "" for nobody."""
    user = obj(event.get("user"))
    return next((found for key in ("id", "username", "email", "ip_address") if (found := text(user.get(key)))), "")


def transaction(event: dict[str, Any], project: str, now: float, sample_rate: float = 1.0) -> Span | None:
    """A transaction as its segment, which carries the spans inside as they came. None when it lacks its ids.

    `sample_rate` is in no field of the event: the envelope's trace header names it.
    """
    trace = obj(obj(event.get("contexts")).get("trace"))
    trace_id, span_id = hex_id(trace.get("trace_id"), 32), hex_id(trace.get("span_id"), 16)
    if not trace_id or not span_id:
        return None
    origin = Origin(text(event.get("environment"), 64), project, text(event.get("release")))
    start, end = _times(event.get("start_timestamp"), event.get("timestamp"), now)
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        parent_id=hex_id(trace.get("parent_span_id"), 16),
        segment=True,
        name=text(event.get("transaction")) or text(trace.get("op")),
        op=text(trace.get("op")),
        status=status_of(trace.get("status")),
        start=start,
        end=end,
        sample_rate=sample_rate,
        user=user_of(event),
        origin=origin,
        service=service_of(origin.release),
        attributes=scalars(obj(trace.get("data"))),
        inside=objects(event.get("spans"), MAX_SPANS),
    )


def inside(segment: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The spans inside a stored transaction, in the form of stored spans: read only when somebody looks at them."""
    for row in segment["inside"]:
        start, end = _times(row.get("start_timestamp"), row.get("timestamp"), segment["end"])
        if span_id := hex_id(row.get("span_id"), 16):
            yield {
                **segment,
                "span_id": span_id,
                "parent_id": hex_id(row.get("parent_span_id"), 16),
                "segment": False,
                "name": text(row.get("description")) or text(row.get("op")),
                "op": text(row.get("op")),
                "status": status_of(row.get("status")),
                "start": start,
                "end": end,
                "attributes": scalars(obj(row.get("data"))),
            }


def _times(start: object, end: object, now: float) -> tuple[float, float]:
    """Start and end of a span. Its length is kept when the sender's clock is not ours."""
    began, ended = seconds(start), seconds(end)
    length = max(0.0, ended - began) if began is not None and ended is not None else 0.0
    at = near(ended, now)
    return at - min(length, 86_400.0), at


def span_item(payload: dict[str, Any], project: str, now: float) -> list[Span]:
    """The spans of a `span` item: {"items": [...]}, each with typed attributes. Those without ids are left out."""
    spans: list[Span] = []
    for row in objects(payload.get("items"), MAX_SPANS):
        trace_id, span_id = hex_id(row.get("trace_id"), 32), hex_id(row.get("span_id"), 16)
        if not trace_id or not span_id:
            continue
        attributes = scalars({key: obj(value).get("value") for key, value in obj(row.get("attributes")).items()})
        origin = origin_of(attributes, project)
        start, end = _times(row.get("start_timestamp"), row.get("end_timestamp"), now)
        spans.append(
            Span(
                trace_id=trace_id,
                span_id=span_id,
                parent_id=hex_id(row.get("parent_span_id"), 16),
                segment=row.get("is_segment") is True,
                name=text(row.get("name")),
                op=text(attributes.get("sentry.op")),
                status=status_of(row.get("status")),
                start=start,
                end=end,
                sample_rate=sampling.rate(attributes.get(sampling.ATTRIBUTE)),
                user=text(attributes.get(USER)),
                origin=origin,
                service=text(attributes.get("service.name")) or service_of(origin.release),
                attributes=attributes,
            )
        )
    return spans
