"""Telemetry of the calls that a gRPC client makes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import sentry_sdk
from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind

from reelback_telemetry import rpc

_tracer = trace.get_tracer(__name__)


def interceptors() -> list[grpc.aio.ClientInterceptor]:
    """For a channel of grpc.aio: each call that is made for a request is a span, a breadcrumb, and goes on with the
    trace."""
    return [_UnaryUnary(), _UnaryStream(), _StreamUnary(), _StreamStream()]


def begin(path: str) -> tuple[dict[str, str], Callable[[Any], None]]:
    """The metadata that a call to `/package.Service/Method` sends, and what is called with the call when it is done.

    For whoever starts calls without interceptors, which cost a task each. Outside a request there is neither: a span
    would count as one itself.
    """
    if not trace.get_current_span().get_span_context().is_valid:
        return {}, _nothing
    name = path.lstrip("/")
    sentry_sdk.add_breadcrumb(category="call", message=name)
    span = _tracer.start_span(name, kind=SpanKind.CLIENT, attributes=rpc.attributes(path))
    headers: dict[str, str] = {}
    propagate.inject(headers, trace.set_span_in_context(span))
    return headers, lambda call: _end(span, call)


def _nothing(_: Any) -> None:
    pass


def _end(span: Span, call: Any) -> None:
    """End the span of a call that is done, so that its code is there without waiting: no task is needed to get it."""
    try:
        call.code().send(None)
    except StopIteration as answered:
        code = answered.value
    rpc.set_status(span, code, failed=code is not grpc.StatusCode.OK)
    span.end()


async def _started(continuation: Any, details: Any, request: Any) -> Any:
    headers, done = begin(details.method.decode())  # bytes, whatever its type says
    metadata = grpc.aio.Metadata(*(details.metadata or ()), *headers.items())
    call = await continuation(details._replace(metadata=metadata), request)
    call.add_done_callback(done)
    return call


# Four, for grpc.aio takes one that is of several kinds as the first of them only.
class _UnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await _started(continuation, client_call_details, request)


class _UnaryStream(grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await _started(continuation, client_call_details, request)


class _StreamUnary(grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await _started(continuation, client_call_details, request_iterator)


class _StreamStream(grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await _started(continuation, client_call_details, request_iterator)
