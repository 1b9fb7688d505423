"""Work that has a name in the business ("withdrawal"), and work that must not take long."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, ParamSpec, TypeVar

import sentry_sdk
from opentelemetry import trace
from opentelemetry.trace import Span, Status, StatusCode

from reelback_telemetry import context, plain
from reelback_telemetry.seldom import Seldom

OPERATION = "business.operation"
"""The tag of the operation that was begun last in a request: it is part of the fingerprint."""

SLOW_SECONDS = 60.0
"""Slow work of one name is told once in this time."""

P = ParamSpec("P")
R = TypeVar("R")

_tracer = trace.get_tracer(__name__)
_slow = Seldom(SLOW_SECONDS)


def tag_business_operation(name: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function, asynchronous or not: what goes wrong in it is grouped by this name, error type and the
    player's tier, and its span has the name."""
    return _around(lambda: _tagged(plain.text(name)))


def monitor_performance(name: str, threshold_ms: float) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Decorate a function, asynchronous or not: it is a span and a figure, and an issue when it takes longer."""
    return _around(lambda: _timed(plain.text(name), threshold_ms))


@contextmanager
def _span(name: str, attributes: Mapping[str, str]) -> Iterator[Span]:
    """A span that has failed when an exception leaves it, unless that is an answer."""
    with _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield span
        except Exception as error:
            if not context.expects(error):
                span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


@contextmanager
def _tagged(name: str) -> Iterator[None]:
    sentry_sdk.get_isolation_scope().set_tag(OPERATION, name)
    with _span(name, {OPERATION: name}):
        yield


@contextmanager
def _timed(name: str, threshold_ms: float) -> Iterator[None]:
    started = time.perf_counter()
    with _span(name, {}) as span:
        try:
            yield
        finally:
            took = 1000 * (time.perf_counter() - started)
            sentry_sdk.metrics.distribution("performance", took, "millisecond", attributes={"name": name})
            if took > threshold_ms:
                span.set_attribute("performance.over_ms", took - threshold_ms)
                if _slow.passes(name):
                    _tell(name, took, threshold_ms)


def _tell(name: str, took: float, threshold_ms: float) -> None:
    with sentry_sdk.new_scope() as scope:
        scope.fingerprint = ["slow", name]
        scope.set_context("performance", {"took_ms": round(took, 1), "threshold_ms": threshold_ms})
        sentry_sdk.capture_message(f"{name} takes longer than {threshold_ms:g} ms", level="warning")


def _around(make: Callable[[], AbstractContextManager[None]]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator that runs each call inside a context of its own."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        called: Any = function
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
                with make():
                    return await called(*args, **kwargs)

            found: Any = awaited
            return found  # type: ignore[no-any-return]

        @functools.wraps(function)
        def direct(*args: P.args, **kwargs: P.kwargs) -> R:
            with make():
                return function(*args, **kwargs)

        return direct

    return decorate
