"""An HTTP and WebSocket server that goes in order."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Sequence
from typing import Any

import uvicorn
from reelback_telemetry import loops
from reelback_telemetry.asgi import instrument
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reelback_common import readiness
from reelback_common.connections import BACKLOG, Connection, Server
from reelback_common.readiness import GRACE, Ready
from reelback_common.settings import ServiceSettings

log = logging.getLogger(__name__)


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
    with loops.watched():
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
