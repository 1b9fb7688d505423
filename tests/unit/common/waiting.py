"""Waiting for a condition, with a limit."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable


async def until(look: Callable[[], Awaitable[bool]], seconds: float = 60) -> float:
    """How many seconds it took until `look` was true."""
    started = time.monotonic()
    while not await look():
        assert time.monotonic() < started + seconds, "it never came true"
        await asyncio.sleep(0.01)
    return time.monotonic() - started
