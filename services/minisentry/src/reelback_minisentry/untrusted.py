"""Values out of JSON that anybody may have sent: whatever is there, the result has the asked type and a bound."""

from __future__ import annotations

from typing import Any

import orjson


class Rejected(Exception):
    """A request that is not taken: `status` (4xx) and `detail`, one line for the sender."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


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


def debug_id(value: object) -> str:
    """The id of a build's file as a UUID with dashes, in small letters; "" when it is none. An appendix is cut off."""
    digits = hex_id(value[:36] if isinstance(value, str) else value, 32)
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}" if digits else ""


def count(value: object) -> int:
    """A number of things: 0 for what is none, at most a billion."""
    return min(max(value, 0), 10**9) if isinstance(value, int) and not isinstance(value, bool) else 0


def json_object(raw: bytes, what: str) -> dict[str, Any]:
    """A JSON object. Raises Rejected (400) naming `what`."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Rejected(400, f"{what}: not valid JSON") from None
    if not isinstance(value, dict):
        raise Rejected(400, f"{what}: not a JSON object")
    return value
