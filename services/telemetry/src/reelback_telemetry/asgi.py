"""Telemetry of HTTP and WebSocket applications."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sentry_sdk
from opentelemetry import context, propagate
from opentelemetry.trace import Span, Status, StatusCode
from prometheus_client import Histogram
from sentry_sdk.types import Event, Hint
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reelback_telemetry import edge, sdk
from reelback_telemetry.request import request

DURATION = Histogram(
    "http_server_request_duration_seconds", "How long answering a request took", ["method", "route", "status"]
)


def instrument(app: ASGIApp) -> ASGIApp:
    """The application with a request (span, session, one event for an exception) around each HTTP request.

    What callers may say of a trace is in `edge`. A WebSocket only joins the trace of its handshake, as it lasts as
    long as the player stays: each message it carries is a request of its own, see `message`. Use it outermost, so
    that error handlers are inside.
    """

    async def traced(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await _http(app, scope, receive, send)
        elif scope["type"] == "websocket":
            token = context.attach(propagate.extract(edge.carrier(scope["headers"])))
            try:
                await app(scope, receive, send)
            finally:
                context.detach(token)
        else:
            await app(scope, receive, _flushing(send))

    return traced


def _flushing(send: Send) -> Send:
    """Before the end of the application is told, what is left is sent: a server may be ended by its signal then."""

    async def observed(event: Message) -> None:
        if event["type"] == "lifespan.shutdown.complete":
            await asyncio.to_thread(sdk.flush)
        await send(event)

    return observed


@contextmanager
def message(name: str, carrier: Mapping[str, str] | None = None) -> Iterator[Span]:
    """A request for one message of a WebSocket; `carrier` has the message's own trace headers, if it has any.

    Without them it continues the trace of the handshake.
    """
    if carrier is None:
        carrier = {}
        propagate.inject(carrier)
    with request(name, carrier, {"network.protocol.name": "websocket"}) as span:
        yield span


async def _http(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    status = 0
    started = time.perf_counter()

    async def observed(event: Message) -> None:
        nonlocal status
        if event["type"] == "http.response.start":
            status = event["status"]
        await send(event)

    method = edge.method(scope)

    def name() -> str:
        """The method and the route, which is known once the application has looked for it."""
        return f"{method} {getattr(scope.get('route'), 'path', '')}".strip()

    def named(event: Event, _: Hint) -> Event:
        event["transaction"] = name()
        return event

    try:
        with request(method, edge.carrier(scope["headers"]), {"http.request.method": method}) as span:
            sentry_sdk.get_isolation_scope().add_event_processor(named)
            try:
                await app(scope, receive, observed)
            except Exception:
                status = status or 500
                raise
            finally:
                route = getattr(scope.get("route"), "path", "")
                span.update_name(name())
                # Not the path: what somebody has typed into it may be anything, a password too.
                span.set_attributes({"http.route": route, "http.response.status_code": status})
                if status >= 500:
                    span.set_status(Status(StatusCode.ERROR, str(status)))
    finally:
        DURATION.labels(method, route, status).observe(time.perf_counter() - started)
