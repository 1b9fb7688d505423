"""The ways in: envelopes and OTLP over HTTP, as a bare ASGI application, because most of a request's cost is its path.

A request is answered with 200 only after its batch is stored. What is wrong with it is answered with 4xx, too much at
once or a full store with 429, a store that is away with 503. SDKs read X-Sentry-Error, `Retry-After` and
X-Sentry-Rate-Limits. Pages of any origin may send, as at Sentry, and read the answer: what lets them in is a key, never
a cookie.
"""

from __future__ import annotations

import asyncio
import math
import re
import time

import orjson
from prometheus_client import Counter, Histogram
from starlette.types import Receive, Scope, Send

from reelback_minisentry.artifacts.stacks import Stacks
from reelback_minisentry.ingest import envelope_items, error_events, public_keys, replay_segments
from reelback_minisentry.ingest.envelope import LIMIT, decompress, parse
from reelback_minisentry.ingest.public_keys import PublicKeys
from reelback_minisentry.ingest.senders import Sender, Senders
from reelback_minisentry.spans import otlp
from reelback_minisentry.store.kept import Kept
from reelback_minisentry.store.records import Records, ReplaySegment
from reelback_minisentry.store.writer import Busy, Full, Unavailable, Writer
from reelback_minisentry.untrusted import Rejected, hex_id

MAX_RECEIVING = 64 * 1024 * 1024
"""Bytes of all bodies that are being received at one time."""

REQUESTS = Counter("minisentry_ingest_requests", "Requests by kind and answer", ["kind", "status"])
ITEMS = Counter("minisentry_ingest_items", "Envelope items by type", ["type"])
SECONDS = Histogram("minisentry_ingest_seconds", "From the first byte to the answer", ["kind"])

_PATH = re.compile(r"/api/([\w-]{1,64})/(envelope|integration/otlp/v1/traces)/?")

FULL_SECONDS = 60
"""How long senders leave a full store alone."""

_ANY_ORIGIN = (b"access-control-allow-origin", b"*")
_READABLE = (b"access-control-expose-headers", b"x-sentry-error, x-sentry-rate-limits, retry-after")
_PREFLIGHT = [
    _ANY_ORIGIN,
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"x-sentry-auth, x-requested-with, accept, content-type, content-encoding, authorization, authentication",
    ),
    (b"access-control-max-age", b"3600"),
]

_JSON, _PROTOBUF = b"application/json", b"application/x-protobuf"


class TooMuch(Exception):
    """A sender has used up what it may send; `seconds` until it may come again."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = math.ceil(seconds)


class Ingest:
    """The application: POST on the two paths, and what browsers ask before."""

    def __init__(self, writer: Writer, kept: Kept, keys: PublicKeys, senders: Senders, stacks: Stacks) -> None:
        self._writer = writer
        self._kept = kept
        self._stacks = stacks
        self._unpacking = asyncio.Lock()
        self._keys = keys
        self._senders = senders
        self._receiving = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        match = _PATH.fullmatch(scope["path"])
        way = "unknown" if match is None else "envelope" if match[2] == "envelope" else "otlp"
        extra: list[tuple[bytes, bytes]] = []
        content_type = _JSON
        headers: dict[bytes, bytes] = dict(scope["headers"])
        try:
            if match is None:
                raise Rejected(404, f"{scope['path'][:200]}: nothing is taken here")
            if scope["method"] == "OPTIONS":
                await _answer(send, 204, b"", _PREFLIGHT)
                return
            if scope["method"] != "POST":
                raise Rejected(405, "only POST")
            answer, content_type = await self._take(way, match[1], headers, scope, receive)
            status = 200
        except Rejected as error:
            status, answer = error.status, orjson.dumps({"detail": error.detail})
            extra = [(b"x-sentry-error", error.detail.encode("latin-1", "replace")), (b"connection", b"close")]
        except TooMuch as error:
            status, answer = 429, b'{"detail":"this sender sends too much"}'
            extra = [*_later(error.seconds, b"key"), (b"connection", b"close")]
        except Busy:
            status, answer, extra = 429, b'{"detail":"too much at once"}', _later(1, b"organization")
        except Full:
            status, answer, extra = 429, b'{"detail":"the store is full"}', _later(FULL_SECONDS, b"organization")
        except Unavailable:
            status, answer = 503, b'{"detail":"the store does not answer"}'
        if b"origin" in headers:
            extra += (_ANY_ORIGIN, _READABLE)
        REQUESTS.labels(way, status).inc()
        SECONDS.labels(way).observe(time.perf_counter() - started)
        await _answer(send, status, answer, [(b"content-type", content_type), *extra])

    async def _take(
        self, way: str, project: str, headers: dict[bytes, bytes], scope: Scope, receive: Receive
    ) -> tuple[bytes, bytes]:
        """Read and store; the answer's body and type."""
        key = public_keys.named(headers, scope["query_string"])
        if key or way == "otlp":  # an envelope without one may name it in its first line
            self._keys.kind(key, project)
        sender = key, scope["client"][0]
        plain = await self._plain(sender, headers, receive)
        now = time.time()
        if way == "otlp":
            if not headers.get(b"content-type", b"").startswith(_PROTOBUF):
                raise Rejected(415, "content type: only application/x-protobuf")
            await self._store(otlp.read(plain, project, now), key, project)
            return otlp.ANSWER, _PROTOBUF
        header, items = parse(plain)
        records = envelope_items.read(header, items, project, now)
        records.size = len(plain)
        for at, error in enumerate(records.errors):
            if event := await self._stacks.of_event(error.event):
                records.errors[at] = error_events.regrouped(error, event)
        for segment in records.replays:
            await self._check(segment, sender)
        await self._store(records, key or public_keys.of_dsn(header.get("dsn")), project)
        event_id = hex_id(header.get("event_id"), 32)
        return orjson.dumps({"id": event_id} if event_id else {}), _JSON

    async def _store(self, records: Records, key: bytes, project: str) -> None:
        records.kind = self._keys.kind(key, project)
        self._keys.check(records, project)
        await self._kept.write(records)
        await self._writer.write(records)
        for item, n in records.items.items():
            ITEMS.labels(item).inc(n)

    async def _check(self, segment: ReplaySegment, sender: Sender) -> None:
        """Look whether a recording is one, charged to the sender. Raises Rejected."""
        size = replay_segments.MAX_UNPACKED
        try:
            async with self._unpacking:  # one at a time: each takes memory
                size = await asyncio.to_thread(replay_segments.checked, segment.recording or b"[]")
        finally:
            self._senders.charge(sender, size, time.monotonic())

    async def _plain(self, sender: Sender, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The decompressed body, charged to the sender. Raises Rejected, Busy, and TooMuch before anything is read."""
        if wait := self._senders.wait(sender, time.monotonic()):
            raise TooMuch(wait)
        size = LIMIT  # what is too long or damaged costs as much as the longest
        try:
            plain = decompress(
                await self._body(headers, receive), headers.get(b"content-encoding", b"").decode("latin-1")
            )
            size = len(plain)
        finally:
            self._senders.charge(sender, size, time.monotonic())
        return plain

    async def _body(self, headers: dict[bytes, bytes], receive: Receive) -> bytes:
        """The body as it comes. Raises Rejected (413) as soon as it is too long, Busy when too many come at once."""
        announced = headers.get(b"content-length", b"")
        if announced.isdigit() and int(announced) > LIMIT:
            raise Rejected(413, f"the body has more than {LIMIT} bytes")
        chunks: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Rejected(400, "the sender went away")
                chunk = message.get("body", b"")
                size += len(chunk)
                self._receiving += len(chunk)
                if size > LIMIT:
                    raise Rejected(413, f"the body has more than {LIMIT} bytes")
                if self._receiving > MAX_RECEIVING:
                    raise Busy
                chunks.append(chunk)
                if not message.get("more_body"):
                    return b"".join(chunks) if len(chunks) > 1 else chunk
        finally:
            self._receiving -= size


def _later(seconds: int, whose: bytes) -> list[tuple[bytes, bytes]]:
    """What makes an SDK wait: everything of this key, or of everybody."""
    return [(b"retry-after", b"%d" % seconds), (b"x-sentry-rate-limits", b"%d::%s" % (seconds, whose))]


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
