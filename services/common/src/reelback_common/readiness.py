"""Whether a service can do its work, and how it ends: the same for gRPC and HTTP."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

INTERVAL = 1.0
"""Seconds between two looks at the dependencies."""

TIMEOUT = 2.0
"""Seconds the dependencies have to answer."""

GRACE = 10.0
"""Seconds a call in flight has to end once the server stops."""

Ready = Callable[[], Awaitable[None]]
"""Returns when the dependencies answer, raises when one does not."""


async def problem(ready: Ready) -> str:
    """Why the service is not ready, in one line; empty when it is."""
    try:
        async with asyncio.timeout(TIMEOUT):
            await ready()
    except Exception as error:  # whatever it is, the service cannot do its work
        return f"{type(error).__name__}: {error}"
    return ""


def end_signal() -> asyncio.Event:
    """An event that SIGTERM or SIGINT sets, from now on."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    return ended
