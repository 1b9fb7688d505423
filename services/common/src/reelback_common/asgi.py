"""Telemetry of HTTP and WebSocket applications, and a server that goes in order."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import sentry_sdk
import uvicorn
from opentelemetry import context, propagate
from opentelemetry.trace import Span, Status, StatusCode
from prometheus_client import Histogram
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reelback_common import edge, readiness
from reelback_common.connections import BACKLOG, Connection, Server
from reelback_common.readiness import GRACE, Ready
from reelback_common.request import request
from reelback_common.settings import ServiceSettings

DURATION = Histogram(
    "http_server_request_duration_seconds", "How long answering a request took", ["method", "route", "status"]
)

log = logging.getLogger(__name__)


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
            await app(scope, receive, send)

    return traced


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
    try:
        with request(method, edge.carrier(scope["headers"]), {"http.request.method": method}) as span:
            try:
                await app(scope, receive, observed)
            except Exception:
                status = status or 500
                raise
            finally:
                route = getattr(scope.get("route"), "path", "")
                name = f"{method} {route}".strip()
                span.update_name(name)
                sentry_sdk.get_isolation_scope().set_transaction_name(name)
                span.set_attributes({"http.route": route, "http.response.status_code": status})
                if route:  # a path that nobody has may be anything, a password too
                    span.set_attribute("url.path", scope["path"])
                if status >= 500:
                    span.set_status(Status(StatusCode.ERROR, str(status)))
    finally:
        DURATION.labels(method, route, status).observe(time.perf_counter() - started)


async def serve(
    service: str, settings: ServiceSettings, app: ASGIApp, ready: Ready, trusted_proxies: Sequence[str] = ()
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return. Answers GET /healthz and /readyz itself, without spans.

    Only the proxies named here, by address or network, are believed when they say for whom a request is.
    While it drains, each answer is the last of its connection: a caller's next request goes to another server.
    """
    draining = readiness.end_signal()
    try:
        listener = socket.create_server((settings.host, settings.port))
    except OSError as error:
        raise SystemExit(f"PORT {settings.port}: {error.strerror or error}") from None
    # asyncio does it for sockets of its own only; without, an answer in two writes waits 40 ms for an acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        _leaving(_with_health(instrument(app), ready, draining), draining),
        http=Connection,
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=[*trusted_proxies],
        timeout_graceful_shutdown=int(GRACE),
        ws_max_size=64 * 1024,  # instead of 16 MiB a message, of whoever connects
    )
    server = Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]), name="http")
    log.info("serving on %s:%d", *listener.getsockname()[:2])
    running.add_done_callback(lambda _: draining.set())  # an application that does not start must not hang here
    await draining.wait()
    if not running.done():
        log.info("%s ends: draining", service)
        await asyncio.sleep(settings.drain_seconds)
        server.should_exit = True
    await running
    if not server.started:
        raise SystemExit(f"{service} did not start")


def _leaving(app: ASGIApp, draining: asyncio.Event) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        async def closing(event: Message) -> None:
            if event["type"] == "http.response.start" and draining.is_set():
                event = {**event, "headers": [*event.get("headers", ()), (b"connection", b"close")]}
            await send(event)

        await app(scope, receive, closing)

    return answer


def _with_health(app: ASGIApp, ready: Ready, draining: asyncio.Event) -> ASGIApp:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] not in ("/healthz", "/readyz"):
            await app(scope, receive, send)
            return
        problem = ""
        if scope["path"] == "/readyz":
            problem = "draining" if draining.is_set() else await readiness.problem(ready)
        body: dict[str, Any] = {"status": "not ready", "reason": problem} if problem else {"status": "ok"}
        await JSONResponse(body, status_code=503 if problem else 200)(scope, receive, send)

    return answer
