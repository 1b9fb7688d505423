"""One process of the stack: started, seen to be ready, started again when it ends, ended in order."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import StrEnum
from pathlib import Path

from reelback_local.files import last_line, roll
from reelback_local.layout.plan import Spec
from reelback_local.processes import probes

BOUND = str(Path(__file__).with_name("bound.py"))
POLL = 0.1
GRACE = 12.0
"""Seconds a process has to end by itself: a little more than the services give their calls."""

SHORTEST_BACKOFF = 0.2
LONGEST_BACKOFF = 5.0
SETTLED = 10.0
"""Seconds after which a process that ends counts as one that had been well."""

LOG_BYTES = 16 * 1024 * 1024
LOG_INTERVAL = 1.0
"""A log that has become longer is put aside; seconds between two looks."""

# Not the caller's: what a service reads is set here, and it has no business with tokens.
_FOREIGN = ("SENTRY_", "REELBACK_", "OTEL_", "OTLP_")
_SWITCH = "OTEL_SDK_DISABLED"  # the one of these that is about every process


class StartError(Exception):
    """A process did not start. The message is one line."""


class State(StrEnum):
    """Where a process is."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"
    STOPPING = "stopping"
    STOPPED = "stopped"


class Child:
    """A process that is kept running. `serving` says whether it was ready at least once, `crash` how it last ended."""

    def __init__(self, spec: Spec, log: Path, changed: Callable[[], None]) -> None:
        """`changed` is called whenever the state is another."""
        self.spec = spec
        self.state = State.WAITING
        self.serving = False
        self.pid: int | None = None
        self.restarts = 0
        self.problem: str | None = None
        self.crash: str | None = None
        self._log = log
        self._changed = changed
        self._task: asyncio.Task[None] | None = None
        self._attempted = asyncio.Event()

    def start(self) -> None:
        """Keep the process running from now on."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep(), name=self.spec.name)

    async def started(self) -> None:
        """Return when the process is ready; StartError when the first attempt failed."""
        await self._attempted.wait()
        if not self.serving:
            raise StartError(self.problem)

    async def stop(self) -> None:
        """End the process: SIGTERM, and SIGKILL when that is not enough."""
        if self._task is not None:
            if self.state is not State.STOPPED:
                self._become(State.STOPPING)
            if not self._task.cancelling():  # a second time would cut short how it is ended
                self._task.cancel()
            await asyncio.wait({self._task})
        self._become(State.STOPPED)

    def _become(self, state: State) -> None:
        if state is not self.state:
            self.state = state
            self._changed()

    async def _keep(self) -> None:
        backoff = SHORTEST_BACKOFF
        while True:
            began = time.monotonic()
            self._become(State.STARTING)
            self.problem = f"{self.spec.name} {await self._run()}"
            if line := last_line(self._log):
                self.problem += f": {line}"
            self.crash = self.problem
            self._attempted.set()
            self._become(State.RESTARTING)
            if time.monotonic() - began > SETTLED:
                backoff = SHORTEST_BACKOFF
            await asyncio.sleep(backoff)
            backoff = min(2 * backoff, LONGEST_BACKOFF)
            self.restarts += 1

    async def _run(self) -> str:
        """Run the process to its end; how it ended."""
        try:
            process = await self._spawn()
        except OSError as error:
            return f"cannot be started ({error.strerror})"
        self.pid = process.pid
        ended = asyncio.create_task(process.wait())
        ready = asyncio.create_task(self._until_ready())
        rolling = asyncio.create_task(self._roll())
        try:
            await asyncio.wait({ended, ready}, timeout=self.spec.deadline, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                if not ready.done():
                    return f"was not ready after {self.spec.deadline:g} s"
                self.problem = None
                self.serving = True
                self._attempted.set()
                self._become(State.READY)
            return _how(await ended)
        finally:
            for task in (ready, ended, rolling):
                task.cancel()
            await _end(process)
            self.pid = None

    async def _spawn(self) -> asyncio.subprocess.Process:
        command = [sys.executable, "-I", "-S", BOUND, str(os.getpid()), *self.spec.command]
        with self._log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(self.spec.env),
                process_group=0,  # a terminal's ctrl-C is for the supervisor alone
            )

    async def _roll(self) -> None:
        while True:
            await asyncio.sleep(LOG_INTERVAL)
            with suppress(OSError):  # a full disk, say; the process goes on
                await asyncio.to_thread(roll, self._log, LOG_BYTES)

    async def _until_ready(self) -> None:
        while not await probes.ready(self.spec):  # noqa: ASYNC110 - a server's answer is no event of this loop
            await asyncio.sleep(POLL)


def _environment(own: Mapping[str, str]) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key == _SWITCH or not key.startswith(_FOREIGN)}
    # glibc gives each thread an arena of its own otherwise, which several processes of this size feel.
    return {**inherited, "MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1", **own}


def _how(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the process and all of its group."""
    if process.returncode is None:
        _signal(process.pid, signal.SIGTERM)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), GRACE)
    _signal(process.pid, signal.SIGKILL)
    await process.wait()


def _signal(group: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, number)
