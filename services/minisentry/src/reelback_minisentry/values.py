"""Values out of JSON that anybody may have sent: whatever is there, the result has the asked type and a bound."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

FUTURE = 60.0
PAST = 3600.0
"""Seconds that a time may be off the receiver's clock; beyond, the time of arrival counts."""


def text(value: object, limit: int = 200) -> str:
    """A string of at most `limit` characters, without the separators of our keys; "" for what is no text."""
    if isinstance(value, str):
        return value[:limit].replace("\x1f", " ")
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)[:limit]
    return ""


def obj(value: object) -> dict[str, Any]:
    """A JSON object; {} for anything else."""
    return value if isinstance(value, dict) else {}


def objects(value: object, limit: int) -> list[dict[str, Any]]:
    """The last `limit` objects of a JSON array."""
    return [entry for entry in value[-limit:] if isinstance(entry, dict)] if isinstance(value, list) else []


def hex_id(value: object, digits: int) -> str:
    """An id of that many hexadecimal digits (dashes of a UUID removed); "" when it is not one, or all zeros."""
    if not isinstance(value, str):
        return ""
    plain = value if len(value) == digits else value.replace("-", "")
    try:
        raw = bytes.fromhex(plain)
    except ValueError:
        return ""
    return plain.lower() if len(plain) == digits == 2 * len(raw) and any(raw) else ""


def count(value: object) -> int:
    """A number of things: 0 for what is none, at most a billion."""
    return min(max(value, 0), 10**9) if isinstance(value, int) and not isinstance(value, bool) else 0


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
