"""Passes on what browsers report, to the one DSN that is configured: where it goes is never read from what came.

A browser cannot reach minisentry, and one with a blocker no Sentry either; so it sends its envelopes here, to the
server it has its page from. A sender has a share, and all of them together have a bound, in size and in number.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson
from prometheus_client import Counter
from reelback_common import edge
from sentry_sdk.utils import Dsn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from reelback_web.rates import Rates

MAX_BODY = 1024 * 1024
"""Bytes of one envelope: a minute of play that was recorded has a few hundred thousand, compressed."""

MAX_AT_ONCE = 32
"""Envelopes that are on their way at one time: together at most 32 MiB."""

RECEIVE_SECONDS = 5.0
SEND_SECONDS = 5.0

_KEPT = ("event_id", "sent_at", "sdk", "trace")
"""What of an envelope's first line is passed on."""

_ANSWERED = ("retry-after", "x-sentry-rate-limits")
"""What of the answer browsers get: how SDKs slow down."""

ENVELOPES = Counter("web_envelopes", "Envelopes of browsers by the status that they were answered with", ["status"])

log = logging.getLogger(__name__)


class Refused(Exception):
    """An envelope that is not passed on."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Destination:
    """Where envelopes go: the DSN in public, its envelope URL, and its key."""

    dsn: str
    url: str
    key: str

    @classmethod
    def of(cls, dsn: str) -> Destination:
        """Of a DSN that is one."""
        parts = Dsn(dsn)
        base = f"{parts.scheme}://{parts.netloc}{parts.path}"
        return cls(dsn, f"{base}api/{parts.project_id}/envelope/", parts.public_key)

    def shown(self, host: str) -> str:
        """The DSN for pages of `host`: with its key, which is public, but without the host behind the tunnel."""
        return f"http://{self.key}@{host}/{Dsn(self.dsn).project_id}"


class Tunnel:
    """Takes envelopes by POST. Without a destination it answers 404."""

    def __init__(self, destination: Destination | None, http: httpx2.AsyncClient, rates: Rates) -> None:
        """`rates` are those of one address."""
        self._destination = destination
        self._http = http
        self._rates = rates
        self._on_their_way = 0

    async def take(self, request: Request) -> Response:
        """Pass one envelope on."""
        try:
            if not self._destination:
                raise Refused(404, "nothing is reported here")
            response = await self._pass_on(request, self._destination)
        except Refused as refusal:
            response = JSONResponse({"detail": refusal.detail}, refusal.status, refusal.headers)
        ENVELOPES.labels(response.status_code).inc()
        return response

    async def _pass_on(self, request: Request, destination: Destination) -> Response:
        if request.headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise Refused(403, "only the pages of this server report here")
        address = edge.address(request.client.host) if request.client else "unknown"
        if wait := self._rates.wait(address):
            raise Refused(429, "this address reports too much", {"Retry-After": str(wait)})
        if self._on_their_way >= MAX_AT_ONCE:
            raise Refused(429, "too much is reported at once", {"Retry-After": "5"})
        self._on_their_way += 1
        try:
            envelope = readdressed(await _body(request), destination.dsn)
            return await self._send(envelope, destination)
        finally:
            self._on_their_way -= 1

    async def _send(self, envelope: bytes, destination: Destination) -> Response:
        headers = {
            "Content-Type": "application/x-sentry-envelope",
            "X-Sentry-Auth": f"Sentry sentry_version=7, sentry_client=reelback-web/1, sentry_key={destination.key}",
        }
        try:
            async with asyncio.timeout(SEND_SECONDS):
                answer = await self._http.post(destination.url, content=envelope, headers=headers)
        except (httpx2.HTTPError, TimeoutError) as error:
            log.warning("an envelope of a browser was not passed on: %s", type(error).__name__)
            raise Refused(503, "what takes reports does not answer", {"Retry-After": "30"}) from None
        kept = {name: answer.headers[name] for name in _ANSWERED if name in answer.headers}
        # The detail is for who runs this, not for the browser: it may name what is behind.
        return JSONResponse({}, answer.status_code, kept)


def readdressed(envelope: bytes, dsn: str) -> bytes:
    """The envelope with this DSN in its first line, whichever it had. Raises Refused."""
    line, newline, items = envelope.partition(b"\n")
    try:
        header: Any = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise Refused(400, "the first line of an envelope is a JSON object") from None
    if not isinstance(header, dict) or not newline:
        raise Refused(400, "an envelope has a JSON object as its first line, and items after it")
    kept = {name: header[name] for name in _KEPT if name in header}
    return orjson.dumps({**kept, "dsn": dsn}) + newline + items


async def _body(request: Request) -> bytes:
    """The body, as far as it is not too long and not compressed. Raises Refused."""
    if request.headers.get("content-encoding", "identity") != "identity":
        raise Refused(415, "an envelope comes as it is, not compressed")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > MAX_BODY:
        raise Refused(413, f"an envelope has at most {MAX_BODY} bytes")
    body = bytearray()
    try:
        async with asyncio.timeout(RECEIVE_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_BODY:
                    raise Refused(413, f"an envelope has at most {MAX_BODY} bytes")
    except TimeoutError:
        raise Refused(408, "the envelope took too long to come") from None
    except ClientDisconnect:
        raise Refused(400, "the sender went away") from None
    return bytes(body)
