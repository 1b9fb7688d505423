"""Times: what senders and callers write as one, and how Sentry writes it."""

from __future__ import annotations

from datetime import UTC, datetime

FUTURE = 60.0
PAST = 3600.0
"""Seconds that a time may be off the receiver's clock; beyond, the time of arrival counts."""


def seconds(value: object) -> float | None:
    """A time as seconds since 1970, from such a number or from ISO 8601 (UTC when it names no zone)."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        parsed = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()


def near(value: float | None, now: float) -> float:
    """The time, or `now` when there is none or a clock was wrong."""
    return value if value is not None and now - PAST <= value <= now + FUTURE else now


def iso(at: float, timespec: str = "milliseconds") -> str:
    """Seconds since 1970 as Sentry writes them: 2026-01-02T03:04:05.678Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec=timespec).replace("+00:00", "Z")
