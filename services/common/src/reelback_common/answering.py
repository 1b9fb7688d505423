"""How a gRPC server of this stack answers: what is begun is carried out, within the time that the caller gave."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import grpc
from reelback_telemetry import rpc_server
from reelback_telemetry.rpc_server import Behaviour, Context

from reelback_common import refusals
from reelback_common.deadline import deadline

log = logging.getLogger(__name__)


class Answering(rpc_server.Wrapping):
    """Goes inside the telemetry: calls made for a call end with it, a callee's refusal is handed on as it is marked."""

    async def answer(self, path: str, behaviour: Behaviour, request: Any, context: Context) -> Any:
        """Run a method to its end."""
        remaining = context.time_remaining()
        deadline.set(None if remaining is None else asyncio.get_running_loop().time() + remaining)
        try:
            return await _to_its_end(rpc_server.run(behaviour, request, context))
        except grpc.aio.AioRpcError as error:
            log.warning("a call made for %s failed: %s %s", path, error.code().name, error.details())
            metadata = (*refusals.metadata(error), refusals.FINAL)
            await context.abort(error.code(), error.details() or "", metadata)


_abandoned: set[asyncio.Task[Any]] = set()


async def _to_its_end(work: Coroutine[Any, Any, Any]) -> Any:
    """What the work comes to. A caller who goes away, or whose deadline passes, does not cut it short.

    PyMongo (4.20, on Python 3.11) keeps a lock for ever when a task that waits for a server is cancelled twice, as
    gRPC does at a deadline: every later command of the process would wait for it. What is begun is carried out
    instead, within the time that each store and each callee is given, and the same request, sent again, finds it done.
    """
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if not task.done():
            _abandoned.add(task)
            task.add_done_callback(_forget)
        raise


def _forget(task: asyncio.Task[Any]) -> None:
    """Nobody waits for the outcome any more; a failure has to be seen nevertheless."""
    _abandoned.discard(task)
    if not task.cancelled() and (error := task.exception()) and not isinstance(error, grpc.aio.AbortError):
        log.warning("what a caller did not wait for has failed: %s", type(error).__name__)
