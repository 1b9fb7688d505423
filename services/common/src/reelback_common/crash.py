"""The end of a process as a crash would be it: at once, and yet with an event that tells of it."""

from __future__ import annotations

import asyncio
import os
from typing import NoReturn

import sentry_sdk
from reelback_telemetry import errors, sdk

EXIT_STATUS = 70


class Crash(Exception):
    """The process was told to end."""


async def crash() -> NoReturn:
    """End the process, once what it knows of it is on its way: nothing drains, and no caller gets an answer."""
    try:
        raise Crash("the process was told to end")
    except Crash as error:
        errors.capture_unhandled(error, "fatal")
    sentry_sdk.get_isolation_scope().end_session()
    await asyncio.to_thread(sdk.flush)
    os._exit(EXIT_STATUS)
