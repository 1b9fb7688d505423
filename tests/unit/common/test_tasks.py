"""Ending the tasks that run beside a server."""

from __future__ import annotations

import asyncio

import pytest
from reelback_common import tasks


async def test_a_task_that_loses_a_cancellation_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "PATIENCE", 0.05)
    lost = 0

    async def deaf() -> None:
        """As asyncio.wait_for of Python 3.11 is to a cancellation that comes with the answer."""
        nonlocal lost
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                lost += 1
                if lost > 2:
                    raise

    task = asyncio.create_task(deaf())
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await tasks.end(task)
    assert (task.cancelled(), lost) == (True, 3)


async def test_how_a_task_ends_is_its_owners_to_see() -> None:
    async def failing() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise ValueError("at the end")

    task, done = asyncio.create_task(failing()), asyncio.create_task(asyncio.sleep(0))
    await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await tasks.end(task, done)
    assert str(task.exception()) == "at the end"
