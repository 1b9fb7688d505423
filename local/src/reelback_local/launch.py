"""Starts the supervisor as a process of its own, which ends with this one unless it is told to stay."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from reelback_local.control import Control, ControlError
from reelback_local.files import last_line
from reelback_local.layout.home import Home
from reelback_local.lifeline import STAY, Progress

END_SECONDS = 60.0
"""How long the whole stack may take to end."""


class StackError(Exception):
    """The stack did not start or did not end. The message is one line."""


class AlreadyRunning(Exception):
    """Another supervisor owns the folder."""


class Launched:
    """A supervisor that this process has started."""

    def __init__(self, process: subprocess.Popen[bytes], lifeline: int, home: Home) -> None:
        """`lifeline` is the writing end of the process's stdin."""
        self._process = process
        self._lifeline = lifeline
        self._home = home
        self._stays = False

    async def progress(self) -> AsyncIterator[Progress]:
        """Every step until the stack is ready. Raises StackError and AlreadyRunning."""
        reader = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), self._process.stdout
        )
        try:
            async for line in reader:
                step = Progress.model_validate_json(line)
                if step.running:
                    raise AlreadyRunning
                if step.error:
                    raise StackError(step.error)
                if step.ready:
                    return
                yield step
        finally:
            transport.close()
        raise StackError(f"the supervisor ended: {last_line(self._home.log('supervisor'))}")

    def stay(self) -> None:
        """Let the stack live on after this process."""
        os.write(self._lifeline, STAY)
        os.close(self._lifeline)
        self._stays = True

    async def end(self) -> None:
        """End the stack, unless it shall stay, and wait for it. Raises StackError."""
        if self._stays:
            return
        os.close(self._lifeline)
        try:
            await asyncio.to_thread(self._process.wait, END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its processes are bound to it
            raise StackError(f"the supervisor did not end within {END_SECONDS:g} s and was killed") from None


@asynccontextmanager
async def launched(home: Home) -> AsyncIterator[Launched]:
    """A supervisor that has just been started; it ends with this block, unless told to stay."""
    it = _launch(home)
    try:
        yield it
    finally:
        await asyncio.shield(it.end())


def _launch(home: Home) -> Launched:
    home.create()
    reading, writing = os.pipe()
    try:
        with home.log("supervisor").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "reelback_local.processes.daemon"],
                stdin=reading,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=home.folder,
                start_new_session=True,
            )
    finally:
        os.close(reading)
    return Launched(process, writing, home)


async def end(home: Home) -> None:
    """End a running stack and wait until it is gone. Raises NotRunning and StackError."""
    async with Control(home) as control:
        try:
            await control.down()
        except ControlError as error:
            raise StackError(str(error)) from error
    deadline = time.monotonic() + END_SECONDS
    while _locked(home):
        if time.monotonic() > deadline:
            raise StackError(f"the supervisor (pid {home.lock.read_text()}) did not end within {END_SECONDS:g} s")
        await asyncio.sleep(0.1)


def _locked(home: Home) -> bool:
    with home.lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
