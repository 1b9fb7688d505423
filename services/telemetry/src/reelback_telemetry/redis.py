"""Spans for the commands that a request sends to Redis."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sentry_sdk
from opentelemetry import trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from redis.asyncio import client

_tracer = trace.get_tracer(__name__)


class TracedRedis(client.Redis):
    """The client of redis.asyncio, each of whose commands and pipelines is a span of the request it is sent for.

    A span says which command, and never a key or a value; and so does the breadcrumb that it leaves.
    """

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command."""
        with _sent(str(args[0])):
            return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> client.Pipeline:
        """Commands that are sent together, and are one span."""
        return _Pipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)


class _Pipeline(client.Pipeline):
    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        with _sent("PIPELINE"):
            return await super().execute(raise_on_error)


@contextmanager
def _sent(command: str) -> Iterator[None]:
    """The span of a command; outside a request there is none: it would count as one itself."""
    if not trace.get_current_span().is_recording():
        yield
        return
    attributes = {"db.system.name": "redis", "db.operation.name": command}
    span = _tracer.start_span(command, kind=SpanKind.CLIENT, attributes=attributes)
    started, level = time.perf_counter(), "info"
    try:
        yield
    except Exception as error:
        level = "error"
        # Not what the server says: it may quote a key.
        span.set_status(Status(StatusCode.ERROR, type(error).__name__))
        raise
    finally:
        span.end()
        took = f"{1000 * (time.perf_counter() - started):.1f} ms"
        sentry_sdk.add_breadcrumb(category="query", message=f"{command} redis: {took}", level=level)
