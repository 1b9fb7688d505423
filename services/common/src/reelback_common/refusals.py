"""From what a service's rules raise to what its callers are told."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import grpc

log = logging.getLogger(__name__)


@asynccontextmanager
async def refusing(
    context: grpc.aio.ServicerContext[Any, Any],
    codes: Mapping[type[Exception], grpc.StatusCode],
    unavailable: tuple[type[Exception], ...],
) -> AsyncIterator[None]:
    """Answer the exceptions in `codes` with their status and their own words.

    Those in `unavailable` say that a store does not answer: UNAVAILABLE, an error in the log, and no details for the
    caller, since they may hold addresses. What else is raised is a failure, and passes.
    """
    try:
        yield
    except tuple(codes) as error:
        await context.abort(codes[type(error)], str(error))
    except unavailable as error:
        log.error("a store does not answer: %s", type(error).__name__, exc_info=error)
        await context.abort(grpc.StatusCode.UNAVAILABLE, "a store does not answer, try again")
