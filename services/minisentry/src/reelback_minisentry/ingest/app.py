"""The ways in: envelopes and OTLP over HTTP, as a bare ASGI application, because most of a request's cost is its path.

A request is answered with 200 only after its batch is stored. What is wrong with it is answered with 4xx, what is
wrong here with 429 (come again in a second) or 503; the SDKs read `Retry-After` and X-Sentry-Error.
"""

from __future__ import annotations

import re
import time
from typing import Any

import orjson
from prometheus_client import Counter, Histogram
from starlette.types import Receive, Scope, Send

from reelback_minisentry.ingest import envelope_items
from reelback_minisentry.ingest.envelope import LIMIT, decompress, parse
from reelback_minisentry.spans import otlp
from reelback_minisentry.store.records import Records
from reelback_minisentry.store.writer import Busy, Unavailable, Writer
from reelback_minisentry.untrusted import Rejected, hex_id

MAX_RECEIVING = 64 * 1024 * 1024
"""Bytes of all bodies that are being received at one time."""

REQUESTS = Counter("minisentry_ingest_requests", "Requests by kind and answer", ["kind", "status"])
ITEMS = Counter("minisentry_ingest_items", "Envelope items by type", ["type"])
SECONDS = Histogram("minisentry_ingest_seconds", "From the first byte to the answer", ["kind"])

_PATH = re.compile(r"/api/([\w-]{1,64})/(envelope|integration/otlp/v1/traces)/?")
_KEY = re.compile(rb"sentry_key\s*=\s*[\w-]+")

_CORS = [
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"x-sentry-error, x-sentry-rate-limits, retry-after"),
]
_PREFLIGHT = [
    *_CORS,
    (b"access-control-allow-methods", b"POST, OPTIONS"),
    (b"access-control-allow-headers", b"x-sentry-auth, content-type, content-encoding, authorization, traceparent"),
    (b"access-control-max-age", b"3600"),
]


def _envelope(plain: bytes, project: str, now: float, authorized: bool) -> tuple[Records, dict[str, Any]]:
    header, items = parse(plain)
    if not authorized and not isinstance(header.get("dsn"), str):
        raise Rejected(401, "no public key: neither X-Sentry-Auth, nor sentry_key, nor dsn")
    records = envelope_items.read(header, items, project, now)
    for kind, n in records.items.items():
        ITEMS.labels(kind).inc(n)
    return records, header


class Ingest:
    """The application for the paths that `takes` says are its own: POST, and OPTIONS for browsers."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._receiving = 0

    @staticmethod
    def takes(path: str) -> bool:
        """Whether the path is one of ingest."""
        return _PATH.fullmatch(path) is not None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        started = time.perf_counter()
        _, _, project, way, *_ = scope["path"].split("/")
        kind = "envelope" if way == "envelope" else "otlp"
        if scope["method"] == "OPTIONS":
            await _answer(send, 200, b"", _PREFLIGHT)
            return
        headers = dict(scope["headers"])
        extra: list[tuple[bytes, bytes]] = []
        try:
            if scope["method"] != "POST":
                raise Rejected(405, "only POST")
            body = await self._body(headers, receive)
            answer, content_type = await self._take(kind, project, body, headers, scope["query_string"])
            status = 200
        except Rejected as error:
            status, answer, content_type = error.status, orjson.dumps({"detail": error.detail}), b"application/json"
            extra = [(b"x-sentry-error", error.detail.encode("latin-1", "replace")), (b"connection", b"close")]
        except Busy:
            status, answer, content_type = 429, b'{"detail":"too much at once"}', b"application/json"
            extra = [(b"retry-after", b"1")]
        except Unavailable:
            status, answer, content_type = 503, b'{"detail":"the store does not answer"}', b"application/json"
        REQUESTS.labels(kind, status).inc()
        SECONDS.labels(kind).observe(time.perf_counter() - started)
        await _answer(send, status, answer, [*_CORS, (b"content-type", content_type), *extra])

    async def _take(
        self, kind: str, project: str, body: bytes, headers: dict[bytes, bytes], query: bytes
    ) -> tuple[bytes, bytes]:
        """Read and store; the answer's body and type."""
        now = time.time()
        authorized = _authorized(headers, query)
        plain = decompress(body, headers.get(b"content-encoding", b"").decode("latin-1"))
        if kind == "otlp":
            if not authorized:
                raise Rejected(401, "no public key: neither X-Sentry-Auth nor sentry_key")
            if not headers.get(b"content-type", b"").startswith(b"application/x-protobuf"):
                raise Rejected(415, "content type: only application/x-protobuf")
            await self._writer.write(otlp.read(plain, project, now))
            return otlp.ANSWER, b"application/x-protobuf"
        records, header = _envelope(plain, project, now, authorized)
        records.size = len(plain)
        await self._writer.write(records)
        event_id = hex_id(header.get("event_id"), 32)
        return orjson.dumps({"id": event_id} if event_id else {}), b"application/json"

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


def _authorized(headers: dict[bytes, bytes], query: bytes) -> bool:
    """Whether a public key is named; any is taken, as nobody hands them out here."""
    places = (query, headers.get(b"x-sentry-auth", b""), headers.get(b"authorization", b""))
    return any(map(_KEY.search, places))


async def _answer(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})
