"""From what a service's rules raise to what its callers are told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc

MARK = "reelback-refusal"
"""Metadata of an answer whose details were written for its receiver. All others are gRPC's own, and stay inside."""

RETRY_AFTER = "retry-after"
"""Metadata of a refusal: after so many seconds it is worth another try."""

FINAL = ("grpc-retry-pushback-ms", "-1")
"""Metadata that tells gRPC not to send a call again: goes with a callee's failure, for whoever called it has tried it
again already, and each hop that did so too would multiply the calls."""

log = logging.getLogger(__name__)

Metadata: TypeAlias = tuple[tuple[str, str], ...]


class Wait(Exception):
    """Refused for now."""

    def __init__(self, text: str, seconds: int) -> None:
        super().__init__(text)
        self.seconds = seconds


def metadata(error: grpc.aio.AioRpcError) -> Metadata:
    """What is passed on of a callee's refusal; empty when the answer is none."""
    found = {key: value for key, value in error.trailing_metadata() or () if isinstance(value, str)}
    return tuple((key, found[key]) for key in (MARK, RETRY_AFTER) if key in found) if MARK in found else ()


@asynccontextmanager
async def refusing(
    context: grpc.aio.ServicerContext[Any, Any],
    codes: Mapping[type[Exception], grpc.StatusCode],
    unavailable: tuple[type[Exception], ...],
) -> AsyncIterator[None]:
    """Answer the exceptions in `codes` with their status and their own words, marked as such.

    Those in `unavailable` say that a store does not answer: UNAVAILABLE, an error in the log, and no details for the
    caller, since they may hold addresses. What else is raised is a failure, and passes.
    """
    try:
        yield
    except tuple(codes) as error:
        wait = ((RETRY_AFTER, str(error.seconds)),) if isinstance(error, Wait) else ()
        final = (FINAL,) if isinstance(error.__cause__, grpc.aio.AioRpcError) else ()
        await context.abort(codes[type(error)], str(error), ((MARK, "1"), *wait, *final))
    except unavailable as error:
        log.error("a store does not answer: %s", type(error).__name__, exc_info=error)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "a store does not answer, try again")
