"""Argon2id away from the event loop.

The parameters are the leanest in memory of those commonly held to be equally strong (7 MiB, 5 passes): a laptop
hashes some 20 to 40 a second on a core, and two at a time stay below 16 MiB.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from reelback_common.refusals import Wait

_hasher = PasswordHasher(time_cost=5, memory_cost=7 * 1024, parallelism=1)
# Two, whatever the machine: a wave of sign-ins waits here instead of taking every core.
_threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="argon2")
# What an unknown address is checked against, so that it takes as long as a wrong password.
_nobody = _hasher.hash("nobody has this password")

MAX_WAITING = 32
"""Passwords that are hashed or wait for it: about a second of work, well within the deadline of a call."""

_waiting = 0
T = TypeVar("T")


async def hashed(password: str) -> str:
    """The hash to store, with a fresh salt. Raises Wait when too many are before it."""
    return await _in_turn(_hasher.hash, password)


async def matches(password_hash: str | None, password: str) -> bool:
    """Whether the password belongs to the hash; never for None, in the same time. Raises Wait as `hashed` does."""
    verified = await _in_turn(_verify, password_hash or _nobody, password)
    return verified and password_hash is not None


async def _in_turn(work: Callable[..., T], *given: str) -> T:
    global _waiting  # noqa: PLW0603 - of the one queue there is
    if _waiting >= MAX_WAITING:
        raise Wait("too many passwords are being checked just now, try again", 1)
    _waiting += 1
    try:
        return await asyncio.get_running_loop().run_in_executor(_threads, work, *given)
    finally:
        _waiting -= 1


def _verify(password_hash: str, password: str) -> bool:
    try:
        return _hasher.verify(password_hash, password)
    except VerificationError:
        return False
