"""Channels to other services: deadlines, retries, round robin, telemetry.

A target is a name in DNS (`dns:///payment:8083`), or `endpoints:/a/file` with one `host:port` a line. Either is looked
up again and again, for gRPC looks only when a connection ends: a server that came gets its share at once, and one that
is on its way out has no new calls well before it closes. gRPC's Python API has no resolver to plug in, so a change
swaps the channel underneath: calls in flight end on the old one.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from reelback_telemetry import rpc_client

from reelback_common import callers
from reelback_common.deadline import deadline

DEADLINE = 5.0
"""Seconds a call may take when neither the call nor the request it is made for says less."""

WATCH_INTERVAL = 0.2
DNS_INTERVAL = 0.5
"""Seconds between two looks at a file, and at a name in DNS."""

CONNECT_TIMEOUT = 1.0

RETRY_BUDGET = {"maxTokens": 100, "tokenRatio": 0.2}
"""Of a channel: a failure takes a token, a success gives a fifth of one back, and while no more than half of them are
left nothing is sent again. A server that is restarted costs tens of failures, one that is down hundreds."""

log = logging.getLogger(__name__)


def connect(target: str, idempotent: Sequence[str] = (), deadline: float = DEADLINE, token: str = "") -> Channel:
    """A channel for generated stubs; close it, or use it as a context manager. Needs a running event loop.

    `idempotent` names methods as `reelback.v1.Payment/Charge`, or whole services as `reelback.v1.Payment`: only they
    are tried again, up to three times in all, when a server is unavailable, as long as RETRY_BUDGET lasts. A server
    that hands on its own callee's failure is not: it has tried that callee again itself. ValueError for a file of
    endpoints without any. `token` goes with every call, for methods that ask for it.
    """
    return Channel(target, idempotent, deadline, token)


class Channel(grpc.aio.Channel):
    """A grpc.aio.Channel whose connections can be swapped under the stubs that use it."""

    def __init__(self, target: str, idempotent: Sequence[str], deadline: float, token: str) -> None:
        self._options = _options(idempotent)
        self._own: tuple[tuple[str, str], ...] = ((callers.TOKEN, token),) if token else ()
        self._deadline = deadline
        self._background: set[asyncio.Task[None]] = set()
        if target.startswith("endpoints:"):
            file = Path(target.removeprefix("endpoints:"))
            endpoints = _read(file)
            self._inner = self._open(_static(endpoints))
            _start(self._watch(partial(asyncio.to_thread, _read, file), WATCH_INTERVAL, endpoints), self._background)
        else:
            self._inner = self._open(target)
        if target.startswith("dns:///"):  # gRPC's own look at it serves until the first of ours
            name = target.removeprefix("dns:///")
            _start(self._watch(partial(_resolve, name), DNS_INTERVAL, []), self._background)

    def _open(self, target: str) -> grpc.aio.Channel:
        return grpc.aio.insecure_channel(target, options=self._options)

    async def _watch(self, look: Callable[[], Awaitable[list[str]]], interval: float, endpoints: list[str]) -> None:
        """Follow what is looked up; what is missing or empty for a moment changes nothing."""
        while True:
            await asyncio.sleep(interval)
            with suppress(OSError, ValueError):
                found = await look()
                if found != endpoints:
                    endpoints = found
                    await self._swap(endpoints)

    async def _swap(self, endpoints: list[str]) -> None:
        """Take a new channel once it is connected; end the old one when no call can be on it any more."""
        new, old = self._open(_static(endpoints)), self._inner
        with suppress(TimeoutError):  # then the calls say what is wrong
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await new.channel_ready()
        self._inner = new
        log.info("endpoints are now %s", ", ".join(endpoints))
        _start(self._retire(old), self._background)

    async def _retire(self, old: grpc.aio.Channel) -> None:
        try:
            await asyncio.sleep(self._deadline)
        finally:
            await old.close()

    def _multicallable(self, kind: str, path: str, *args: Any, **kwargs: Any) -> Callable[..., Any]:
        made: tuple[grpc.aio.Channel, Any] | None = None

        def call(request: Any = None, *, timeout: float | None = None, metadata: Any = None, **options: Any) -> Any:
            nonlocal made
            if made is None or made[0] is not self._inner:
                made = self._inner, getattr(self._inner, kind)(path, *args, **kwargs)
            limit = self._remaining(timeout)
            metadata = (*self._own, *(metadata or ()))
            headers, done = rpc_client.begin(path)
            started = made[1](request, timeout=limit, metadata=(*metadata, *headers.items()), **options)
            started.add_done_callback(done)
            return started

        return call

    def _remaining(self, timeout: float | None) -> float:
        limit = self._deadline if timeout is None else min(timeout, self._deadline)
        if (end := deadline.get()) is not None:
            limit = min(limit, end - asyncio.get_running_loop().time())
        return max(limit, 0)

    def unary_unary(self, *args: Any, **kwargs: Any) -> Any:
        """A callable for a method; stubs ask for it."""
        return self._multicallable("unary_unary", *args, **kwargs)

    def unary_stream(self, *args: Any, **kwargs: Any) -> Any:
        """A callable for a method that answers with a stream."""
        return self._multicallable("unary_stream", *args, **kwargs)

    def stream_unary(self, *args: Any, **kwargs: Any) -> Any:
        """A callable for a method that takes a stream."""
        return self._multicallable("stream_unary", *args, **kwargs)

    def stream_stream(self, *args: Any, **kwargs: Any) -> Any:
        """A callable for a method that takes a stream and answers with one."""
        return self._multicallable("stream_stream", *args, **kwargs)

    async def close(self, grace: float | None = None) -> None:
        """End the connections; calls in flight have `grace` seconds."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        await self._inner.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """How the connection is now."""
        return self._inner.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Return when the connection is no longer as it was."""
        await self._inner.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Return when at least one server is connected."""
        await self._inner.channel_ready()

    async def __aenter__(self) -> Channel:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _start(work: Coroutine[Any, Any, None], tasks: set[asyncio.Task[None]]) -> None:
    task = asyncio.create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _read(file: Path) -> list[str]:
    """The endpoints in a file; ValueError when there is none."""
    endpoints = file.read_text().split()
    if not endpoints:
        raise ValueError(f"{file} names no endpoint")
    return endpoints


async def _resolve(name: str) -> list[str]:
    """The endpoints of a name in DNS with a port; OSError when there is none. IPv4 where it has both kinds."""
    host, _, port = name.rpartition(":")
    found = await asyncio.get_running_loop().getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    family = socket.AF_INET if any(kind == socket.AF_INET for kind, *_ in found) else socket.AF_INET6
    form = "{}:{}" if family == socket.AF_INET else "[{}]:{}"
    return sorted({form.format(*address) for kind, *_, address in found if kind == family})


def _static(endpoints: Sequence[str]) -> str:
    return f"{'ipv6' if endpoints[0].startswith('[') else 'ipv4'}:{','.join(endpoints)}"


def _options(idempotent: Sequence[str]) -> list[tuple[str, Any]]:
    retry = {
        "name": [
            {"service": service, **({"method": method} if method else {})}
            for service, _, method in (name.partition("/") for name in idempotent)
        ],
        "retryPolicy": {
            "maxAttempts": 3,
            "initialBackoff": "0.05s",
            "maxBackoff": "0.5s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": ["UNAVAILABLE"],
        },
    }
    config = {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [retry] if idempotent else [],
        "retryThrottling": RETRY_BUDGET,
    }
    return [
        ("grpc.service_config", json.dumps(config)),
        ("grpc.service_config_disable_resolution", 1),
        ("grpc.enable_retries", 1),
        ("grpc.dns_min_time_between_resolutions_ms", 1_000),
        ("grpc.keepalive_time_ms", 10_000),
        ("grpc.keepalive_timeout_ms", 3_000),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 500),
    ]
