"""Ending the tasks that run beside a server."""

from __future__ import annotations

import asyncio
from typing import Any

PATIENCE = 6.0
"""Seconds that a cancelled task has for its last work before it is cancelled again."""


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and wait until they have ended, however they do.

    Once is not enough: until Python 3.12 asyncio.wait_for, which the stores' clients use, drops a cancellation that
    comes with the answer.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=PATIENCE)
