"""Wires minisentry together and serves it until SIGTERM: `python -m reelback_minisentry`."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket

import uvicorn
import uvloop
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from reelback_common import metrics, pages, readiness, tasks
from reelback_common.connections import BACKLOG, Connection, Server
from reelback_common.settings import load
from reelback_telemetry import logs
from starlette.types import ASGIApp

from reelback_minisentry import app
from reelback_minisentry.artifacts.source_maps import SourceMaps
from reelback_minisentry.artifacts.stacks import Stacks
from reelback_minisentry.ingest.app import Ingest
from reelback_minisentry.ingest.senders import Senders
from reelback_minisentry.settings import Settings
from reelback_minisentry.store.kept import Kept
from reelback_minisentry.store.writer import Writer

log = logging.getLogger("reelback_minisentry")


def listen(host: str, port: int, name: str) -> socket.socket:
    """A listening socket. A port in use ends the process with one line."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise SystemExit(f"{name}: cannot listen on {host}:{port}: {error.strerror}") from None


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, drain, and end; the writer ends last."""
    ended = readiness.end_signal()
    with (
        listen(settings.host, settings.port, "PORT") as site,
        listen(settings.host, settings.ingest_port, "INGEST_PORT") as ingest,
    ):
        try:
            scraped = metrics.serve(settings.host, settings.metrics_port)
        except OSError as error:
            raise SystemExit(
                f"METRICS_PORT: cannot listen on {settings.host}:{settings.metrics_port}: {error.strerror}"
            ) from None
        # A batch is never sent twice: one whose answer got lost may have been written. The rest may be repeated.
        redis, writing = (_connect(settings, retries) for retries in (2, 0))
        writer = Writer(writing)
        writing_task = asyncio.create_task(writer.run(), name="writer")
        maps = SourceMaps(redis)
        stacks = Stacks(maps)
        senders = Senders(settings.minisentry_sender_limit)
        asked = app.create(redis, stacks, settings, ended)
        servers = {
            ingest: _server(Ingest(writer, Kept(redis), settings.keys(), senders, stacks)),
            site: _server(pages.guarded(asked, "minisentry", settings.allowed_hosts)),
        }
        running = [
            asyncio.create_task(server.serve([sock]), name=f"http on port {sock.getsockname()[1]}")
            for sock, server in servers.items()
        ]
        stop = asyncio.create_task(ended.wait(), name="end signal")
        for sock in servers:
            log.info("serving on %s:%d", *sock.getsockname()[:2])
        await _warn_if_forgetful(redis)
        try:
            await asyncio.wait({*running, writing_task, stop}, return_when=asyncio.FIRST_COMPLETED)
            if ended.is_set():
                log.info("minisentry ends: draining")
                await asyncio.sleep(settings.drain_seconds)
            for server in servers.values():
                server.should_exit = True
            await asyncio.gather(*running)
        finally:
            stop.cancel()
            await tasks.end(writing_task)
            await asyncio.to_thread(maps.close)
            await redis.aclose()
            await writing.aclose()
            await asyncio.to_thread(scraped.shutdown)
            scraped.server_close()
        if not writing_task.cancelled():
            writing_task.result()  # it ends by itself only with an exception


def _server(asgi: ASGIApp) -> Server:
    return Server(
        uvicorn.Config(
            asgi,
            http=Connection,
            backlog=BACKLOG,
            proxy_headers=False,
            ws="none",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            lifespan="off",
            timeout_graceful_shutdown=int(readiness.GRACE),
        )
    )


def _connect(settings: Settings, retries: int) -> Redis:
    retry = Retry(NoBackoff(), retries)
    return Redis.from_url(str(settings.redis_telemetry_url), socket_timeout=5, socket_connect_timeout=2, retry=retry)


async def _warn_if_forgetful(redis: Redis) -> None:
    """Say so when this Redis would lose on a restart what was acknowledged."""
    with contextlib.suppress(RedisError, OSError):
        if (await redis.info("persistence")).get("aof_enabled") == 0:
            log.warning("Redis runs without appendonly: what is stored is lost when it restarts")


def main() -> None:
    """Read the settings and serve."""
    settings = load(Settings)
    logs.configure("minisentry", "", settings.log_level, quiet=("reelback_minisentry.store.writer",))
    uvloop.run(serve(settings))


if __name__ == "__main__":
    main()
