"""Telemetry of the calls that a gRPC server answers."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc
from prometheus_client import Histogram

from reelback_common import refusals, rpc
from reelback_common.request import request as traced

SILENT = ("/grpc.health.", "/grpc.reflection.")
"""Methods without telemetry: probes would count as requests."""

DURATION = Histogram(
    "rpc_server_duration_seconds", "How long answering a call took", ["rpc_service", "rpc_method", "grpc_code"]
)

log = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class Telemetry(grpc.aio.ServerInterceptor):
    """Wraps every method, unary or streaming, into a request: span, session, and one event for an exception.

    A failed call of a callee (AioRpcError) that a handler lets pass is answered with the callee's code and makes
    no event here: the callee has sent one.
    """

    def __init__(self) -> None:
        self._wrapped: dict[str, Handler] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The handler of the method, wrapped; the same for each of its calls."""
        path = handler_call_details.method
        if path not in self._wrapped:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None  # not kept: anybody can make up methods
            self._wrapped[path] = handler if path.startswith(SILENT) else _wrap(path, handler)
        return self._wrapped[path]


def _wrap(path: str, handler: grpc.RpcMethodHandler[Any, Any]) -> Handler:
    if handler.response_streaming:
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.request_streaming
            else (grpc.unary_stream_rpc_method_handler)
        )
        behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
    else:
        make = (
            grpc.stream_unary_rpc_method_handler if handler.request_streaming else (grpc.unary_unary_rpc_method_handler)
        )
        behaviour = handler.stream_unary if handler.request_streaming else handler.unary_unary

    async def answer(request: Any, context: Context) -> Any:
        return await _answer(path, behaviour, request, context)

    return make(answer, handler.request_deserializer, handler.response_serializer)


async def _answer(path: str, behaviour: Any, request: Any, context: Context) -> Any:
    """Run a handler inside a request. A streaming handler is written out here, so that all of it is inside."""
    carrier = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
    attributes = rpc.attributes(path)
    remaining = context.time_remaining()
    rpc.deadline.set(None if remaining is None else asyncio.get_running_loop().time() + remaining)
    started = time.perf_counter()
    code = grpc.StatusCode.UNKNOWN
    try:
        with traced(path.lstrip("/"), carrier, attributes, expected=(grpc.aio.AbortError,)) as span:
            try:
                response = await _to_its_end(_run(behaviour, request, context))
                code = _code(context)
            except grpc.aio.AbortError:
                code = _code(context)
                raise
            except asyncio.CancelledError:
                late = remaining is not None and (context.time_remaining() or 0) <= 0
                code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
                raise
            except grpc.aio.AioRpcError as error:
                code = error.code()
                log.warning("a call made for %s failed: %s %s", path, code.name, error.details())
                await context.abort(code, error.details() or "", (*refusals.metadata(error), refusals.FINAL))
            finally:
                rpc.set_status(span, code, failed=code in rpc.SERVER_FAILURES)
            return response
    finally:
        DURATION.labels(attributes["rpc.service"], attributes["rpc.method"], code.name).observe(
            time.perf_counter() - started
        )


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


async def _run(behaviour: Any, request: Any, context: Context) -> Any:
    if not inspect.isasyncgenfunction(behaviour):
        return await behaviour(request, context)
    async with aclosing(behaviour(request, context)) as responses:
        async for response in responses:
            await context.write(response)
    return None


_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _code(context: Context) -> grpc.StatusCode:
    """What the handler has set; grpc.aio keeps a number, or nothing when all is well."""
    code: Any = context.code()
    if isinstance(code, grpc.StatusCode):
        return code
    return _CODES.get(code or 0, grpc.StatusCode.UNKNOWN)
