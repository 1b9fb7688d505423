"""Sentry's envelope format: decompression with a cap, and the split into items.

Nothing here looks inside a payload. Everything that is wrong with a request is a `Rejected` with the status of the
answer, so that a sender can never cost more than LIMIT bytes of memory.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Any

import brotli

from reelback_minisentry.untrusted import Rejected, json_object

MIB = 1024 * 1024
LIMIT = 10 * MIB
"""Bytes of a request, both as received and decompressed. Sentry allows 200 MiB; none of our senders comes near 1."""

MAX_ITEMS = 1000
"""Items of an envelope: each costs time, however small it is."""

MAX_SESSIONS = 100
"""`session` and `sessions` items of an envelope, as at Sentry."""

ITEM_LIMITS = {"event": MIB, "transaction": MIB, "span": MIB, "log": MIB, "check_in": 100 * 1024}
"""Bytes of an item's payload, as at Sentry; the other types are bounded by LIMIT, profiles too: 50 MiB at Sentry."""


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its type, its header and the payload as it came."""

    type: str
    header: dict[str, Any]
    payload: bytes


def decompress(body: bytes, encoding: str, limit: int = LIMIT) -> bytes:
    """The body without its content encoding. Raises Rejected: 413 above `limit` bytes, 415, or 400 when damaged."""
    match encoding.strip().lower():
        case "" | "identity":
            plain, complete = body, True
        case "gzip":
            plain, complete = _inflate(body, 31, limit)
        case "deflate":  # the standard says zlib, some clients send the bare stream
            is_zlib = len(body) > 1 and body[0] & 0x0F == 8 and int.from_bytes(body[:2], "big") % 31 == 0
            plain, complete = _inflate(body, 15 if is_zlib else -15, limit)
        case "br":
            plain, complete = _unbrotli(body, limit)
        case _:
            raise Rejected(415, f"content encoding {encoding[:40]!r} is not supported")
    if len(plain) > limit:
        raise Rejected(413, f"the body has more than {limit} bytes")
    if not complete:
        raise Rejected(400, "the compressed body ends too early")
    return plain


def _inflate(body: bytes, wbits: int, limit: int) -> tuple[bytes, bool]:
    inflater = zlib.decompressobj(wbits)
    try:
        return inflater.decompress(body, limit + 1), inflater.eof
    except zlib.error as error:
        raise Rejected(400, f"the compressed body is damaged: {error}") from None


def _unbrotli(body: bytes, limit: int) -> tuple[bytes, bool]:
    decoder = brotli.Decompressor()
    try:
        return decoder.process(body, output_buffer_limit=limit + 1), decoder.is_finished()
    except brotli.error:
        raise Rejected(400, "the compressed body is damaged") from None


def parse(body: bytes) -> tuple[dict[str, Any], list[Item]]:
    """The envelope's header and its items. Raises Rejected (400, 413)."""
    end = body.find(b"\n")
    header = json_object(body if end < 0 else body[:end], "envelope header")
    items: list[Item] = []
    sessions = 0
    at = len(body) if end < 0 else end + 1
    while at < len(body):
        if body[at] in b"\r\n":
            at += 1
            continue
        item, at = _item(body, at)
        items.append(item)
        sessions += item.type in ("session", "sessions")
        if len(items) > MAX_ITEMS or sessions > MAX_SESSIONS:
            raise Rejected(413, f"the envelope has more than {MAX_ITEMS} items or {MAX_SESSIONS} sessions")
    return header, items


def _item(body: bytes, at: int) -> tuple[Item, int]:
    """The item that starts at `at`, and where the next one may start."""
    end = body.find(b"\n", at)
    header = json_object(body[at:] if end < 0 else body[at:end], "item header")
    kind = header.get("type")
    if not isinstance(kind, str) or not kind:
        raise Rejected(400, "an item header has no type")
    start = len(body) if end < 0 else end + 1
    match header.get("length"):
        case None:
            end = body.find(b"\n", start)
            end = len(body) if end < 0 else end
        case bool():
            raise Rejected(400, f"item {kind[:40]!r}: length is not a number of bytes")
        case int(length) if length >= 0:
            end = start + length
            if end > len(body):
                raise Rejected(400, f"item {kind[:40]!r}: the payload is shorter than its length")
            if body[end : end + 1] not in (b"", b"\n", b"\r"):
                raise Rejected(400, f"item {kind[:40]!r}: the payload is longer than its length")
        case _:
            raise Rejected(400, f"item {kind[:40]!r}: length is not a number of bytes")
    if end - start > ITEM_LIMITS.get(kind, LIMIT):
        raise Rejected(413, f"item {kind!r} has more than {ITEM_LIMITS[kind]} bytes")
    return Item(kind, header, body[start:end]), end + 1
