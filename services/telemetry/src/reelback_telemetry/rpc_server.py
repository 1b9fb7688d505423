"""Telemetry of the calls that a gRPC server answers."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeAlias

import grpc
from prometheus_client import Histogram

from reelback_telemetry import rpc
from reelback_telemetry.request import request as traced

SILENT = ("/grpc.health.", "/grpc.reflection.")
"""Methods without telemetry: probes would count as requests."""

DURATION = Histogram(
    "rpc_server_duration_seconds", "How long answering a call took", ["rpc_service", "rpc_method", "grpc_code"]
)

log = logging.getLogger(__name__)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"
Behaviour: TypeAlias = Callable[[Any, Context], Any]
"""What a servicer's method is: a coroutine function, or one of an asynchronous generator."""


class Wrapping(grpc.aio.ServerInterceptor):
    """An interceptor that wraps every method, unary or streaming, but SILENT ones, the same way: see `answer`."""

    def __init__(self) -> None:
        self._wrapped: dict[str, Handler] = {}

    async def answer(self, path: str, behaviour: Behaviour, request: Any, context: Context) -> Any:
        """The response to a request, or None after all responses were written: around `run`."""
        raise NotImplementedError

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
            self._wrapped[path] = handler if path.startswith(SILENT) else self._wrap(path, handler)
        return self._wrapped[path]

    def _wrap(self, path: str, handler: grpc.RpcMethodHandler[Any, Any]) -> Handler:
        if handler.response_streaming:
            make = (
                grpc.stream_stream_rpc_method_handler
                if handler.request_streaming
                else (grpc.unary_stream_rpc_method_handler)
            )
            behaviour = handler.stream_stream if handler.request_streaming else handler.unary_stream
        else:
            make = (
                grpc.stream_unary_rpc_method_handler
                if handler.request_streaming
                else (grpc.unary_unary_rpc_method_handler)
            )
            behaviour = handler.stream_unary if handler.request_streaming else handler.unary_unary

        called: Any = behaviour  # the types are those of servers that are not asynchronous

        async def answer(request: Any, context: Context) -> Any:
            return await self.answer(path, called, request, context)

        return make(answer, handler.request_deserializer, handler.response_serializer)


async def run(behaviour: Behaviour, request: Any, context: Context) -> Any:
    """Call a method to its end. A streaming one is written out here, so that all of it is inside."""
    if not inspect.isasyncgenfunction(behaviour):
        return await behaviour(request, context)
    async with aclosing(behaviour(request, context)) as responses:
        async for response in responses:
            await context.write(response)
    return None


class Telemetry(Wrapping):
    """Makes every call a request: span, session, and one event for an exception.

    A failed call of a callee (AioRpcError) that a method lets pass is answered with the callee's code and makes no
    event here: the callee has sent one.
    """

    async def answer(self, path: str, behaviour: Behaviour, request: Any, context: Context) -> Any:
        """Run a method inside a request."""
        carrier = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        attributes = rpc.attributes(path)
        bounded = context.time_remaining() is not None
        started = time.perf_counter()
        code = grpc.StatusCode.UNKNOWN
        try:
            with traced(path.lstrip("/"), carrier, attributes, expected=(grpc.aio.AbortError,)) as span:
                try:
                    response = await run(behaviour, request, context)
                    code = _code(context)
                except grpc.aio.AbortError:
                    code = _code(context)
                    raise
                except asyncio.CancelledError:
                    late = bounded and (context.time_remaining() or 0) <= 0
                    code = grpc.StatusCode.DEADLINE_EXCEEDED if late else grpc.StatusCode.CANCELLED
                    raise
                except grpc.aio.AioRpcError as error:
                    code = error.code()
                    log.warning("a call made for %s failed: %s %s", path, code.name, error.details())
                    await context.abort(code, error.details() or "")
                finally:
                    rpc.set_status(span, code, failed=code in rpc.SERVER_FAILURES)
                return response
        finally:
            DURATION.labels(attributes["rpc.service"], attributes["rpc.method"], code.name).observe(
                time.perf_counter() - started
            )


_CODES = {code.value[0]: code for code in grpc.StatusCode}


def _code(context: Context) -> grpc.StatusCode:
    """What the handler has set; grpc.aio keeps a number, or nothing when all is well."""
    code: Any = context.code()
    if isinstance(code, grpc.StatusCode):
        return code
    return _CODES.get(code or 0, grpc.StatusCode.UNKNOWN)
