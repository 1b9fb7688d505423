"""A gRPC server that tells the truth about itself and goes in order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from reelback.v1.debug_pb2_grpc import add_DebugServicer_to_server
from reelback_telemetry import loops
from reelback_telemetry.rpc_server import Telemetry

from reelback_common import debug_endpoints, readiness
from reelback_common.answering import Answering
from reelback_common.callers import Callers
from reelback_common.debugging import Action, Debug
from reelback_common.readiness import GRACE, Ready
from reelback_common.settings import ServiceSettings

OPTIONS = (
    ("grpc.so_reuseport", 0),  # a port in use is an error, not a port to share
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),  # the client's keepalive is welcome
    ("grpc.keepalive_permit_without_calls", 1),
)

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

log = logging.getLogger(__name__)


class Server:
    """Health, telemetry, and reflection where it is asked for, around a service's own servicers.

    Health has the service names "" and those of `services` (ready: the dependencies answer) and "live" (the
    process lives).
    """

    def __init__(
        self,
        settings: ServiceSettings,
        register: Callable[[grpc.aio.Server], None],
        ready: Ready,
        services: Sequence[str],
        tokens: Mapping[str, str] | None = None,
    ) -> None:
        """`tokens` are those that methods ask for, see `Callers`."""
        self._settings = settings
        self._ready = ready
        self._names = ("", *services)
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(interceptors=[Telemetry(), Answering(), Callers(tokens or {})], options=OPTIONS)
        self._poll: asyncio.Task[None] | None = None
        self._stopping = False
        register(self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        if settings.grpc_reflection:
            reflection.enable_server_reflection((*services, health.SERVICE_NAME, reflection.SERVICE_NAME), self._server)

    async def start(self) -> int:
        """Listen; the port, which is a free one for port 0. A port in use ends the process with one line."""
        await self._tell(NOT_SERVING)
        await self._health.set("live", SERVING)
        address = f"{self._settings.host}:{self._settings.port}"
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError:
            raise SystemExit(f"PORT: cannot listen on {address}") from None
        await self._server.start()
        self._poll = asyncio.create_task(self._watch(), name="readiness")
        log.info("serving on %s:%d", self._settings.host, port)
        return port

    async def stop(self) -> None:
        """Say that no more calls are wanted, wait until callers have left, then let those in flight end.

        The wait is not for politeness: gRPC cancels a call that reaches a server which has begun to stop, and whoever
        made it cannot tell whether it was carried out.
        """
        self._stopping = True
        if self._poll:
            self._poll.cancel()
            with suppress(asyncio.CancelledError):
                await self._poll
        await self._tell(NOT_SERVING)
        await asyncio.sleep(self._settings.drain_seconds)
        await self._server.stop(GRACE)

    async def _watch(self) -> None:
        """Ask the dependencies, again and again, and tell."""
        was: str | None = None
        # A cancellation alone may get lost: until Python 3.12 asyncio.wait_for, which the stores' clients use, drops
        # one that comes with the answer.
        while not self._stopping:
            problem = await readiness.problem(self._ready)
            if problem != was:
                log.log(logging.WARNING if problem else logging.INFO, problem or "ready")
            was = problem
            await self._tell(NOT_SERVING if problem else SERVING)
            await asyncio.sleep(readiness.INTERVAL)

    async def _tell(self, status: int) -> None:
        for name in self._names:
            await self._health.set(name, status)


async def serve(
    service: str,
    settings: ServiceSettings,
    register: Callable[[grpc.aio.Server], None],
    ready: Ready,
    services: Sequence[str],
    *,
    tokens: Mapping[str, str] | None = None,
    debug: Mapping[str, Action] | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT, then drain and return.

    `register` adds the servicers; `services` are their full names, for reflection and health; `tokens` are those that
    methods ask for, see `Callers`. `debug` are the service's own actions of debug endpoints, which are there where
    DEBUG_TOKEN is, but not in production.
    """
    tokens = dict(tokens or {})
    debugged = settings.debug_token if debug_endpoints.are_on(settings.sentry_environment) else None
    if debugged:
        tokens["reelback.v1.Debug/Trigger"] = debugged.get_secret_value()

    def register_all(it: grpc.aio.Server) -> None:
        register(it)
        if debugged:
            add_DebugServicer_to_server(Debug(service, debug or {}), it)

    ended = readiness.end_signal()
    with loops.watched():
        server = Server(settings, register_all, ready, services, tokens)
        await server.start()
        await ended.wait()
        log.info("%s ends: draining", service)
        await server.stop()
