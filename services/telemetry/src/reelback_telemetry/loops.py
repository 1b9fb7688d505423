"""What goes wrong on an event loop beside its requests: tasks that fail while nobody waits, and calls that block it."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import Context, copy_context
from types import FrameType
from typing import Any
from weakref import WeakKeyDictionary

import sentry_sdk
from sentry_sdk.utils import serialize_frame

from reelback_telemetry import errors

BLOCKED_SECONDS = 1.0
"""A loop that stood still for so long is reported, with what it did then."""

_BEAT = 0.2
_MOST_FRAMES = 50

_contexts: MutableMapping[Any, Context] = WeakKeyDictionary()
_blocked: list[tuple[float, list[dict[str, Any]]]] = []


@contextmanager
def watched() -> Iterator[None]:
    """Watch the loop that runs, until the end of `with`: a task that failed while nobody waited for it is an event, and
    so is a call that blocked the loop for BLOCKED_SECONDS, with the frames it was in."""
    loop = asyncio.get_running_loop()
    watchdog = _Watchdog(loop)
    before = loop.get_exception_handler()
    loop.set_exception_handler(_failed)
    if not hasattr(asyncio.Task, "get_context"):  # Python 3.11
        loop.set_task_factory(_remembering)
    watchdog.start()
    try:
        yield
    finally:
        watchdog.end()
        loop.set_exception_handler(before)
        loop.set_task_factory(None)


def report_blocked(since: float) -> None:
    """Send what blocked the loop after `since` (time.monotonic()), with the request that is being worked on."""
    while _blocked and _blocked[0][0] < since:
        _blocked.pop(0)  # of a request that nobody asked for
    while _blocked:
        _report(_blocked.pop(0)[1])


def _report(frames: list[dict[str, Any]]) -> None:
    inner = frames[-1]["function"] if frames else "?"
    sentry_sdk.capture_event(
        {
            "level": "warning",
            "exception": {
                "values": [
                    {
                        "type": "EventLoopBlocked",
                        "value": f"{inner} blocked the event loop for more than {BLOCKED_SECONDS:g} s",
                        "mechanism": {"type": "watchdog", "handled": True},
                        "stacktrace": {"frames": frames},
                    }
                ]
            },
        }
    )


def _remembering(loop: asyncio.AbstractEventLoop, work: Any, context: Context | None = None, **more: Any) -> Any:
    context = context or copy_context()
    task = asyncio.Task(work, loop=loop, context=context, **more)
    _contexts[task] = context
    return task


def _failed(loop: asyncio.AbstractEventLoop, told: dict[str, Any]) -> None:
    """Send the exception of a task with the trace and the user that the task began with; then log it, as usual."""
    error, task = told.get("exception"), told.get("task") or told.get("future")
    if isinstance(error, Exception):
        asked = getattr(task, "get_context", None)
        context = asked() if asked else _contexts.get(task, copy_context())
        with suppress(RuntimeError):  # a context that is entered already
            context.run(errors.capture_unhandled, error)
    loop.default_exception_handler(told)


class _Watchdog(threading.Thread):
    """A thread that looks whether the loop still turns, and where it stands when it does not."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="event-loop-watchdog", daemon=True)
        self._loop = loop
        self._of = threading.get_ident()
        self._beat = time.monotonic()
        self._ended = threading.Event()
        self._timer = loop.call_later(_BEAT, self._turn)

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._timer.cancel()

    def run(self) -> None:
        told = looked = time.monotonic()
        while not self._ended.wait(_BEAT):
            now, beat = time.monotonic(), self._beat
            asleep = now - looked > BLOCKED_SECONDS  # the whole process stood still, and not for what it does
            looked = now
            if not asleep and now - beat > BLOCKED_SECONDS and beat != told:
                told = beat
                frame = sys._current_frames().get(self._of)
                _blocked.append((now, _frames(frame)))

    def _turn(self) -> None:
        self._beat = time.monotonic()
        self._timer = self._loop.call_later(_BEAT, self._turn)


def _frames(frame: FrameType | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while frame is not None and len(found) < _MOST_FRAMES:
        found.append(serialize_frame(frame, include_local_variables=False))
        frame = frame.f_back
    return found[::-1]
