"""Which requests are sent as spans: a share of the traces, by environment, and every request that failed. Which
processes are profiled: a share of them, by environment.

A trace is drawn where it begins, and at the edge, whatever id a caller chose: services behind follow the flag that
comes with the call. Of a trace that is not drawn only segments (requests) are recorded, and of these only failed ones
are sent. So each failure counts as one, each success stands for `1 / rate` of them, and `sentry.client_sample_rate` on
each span says which: what Sentry extrapolates is unbiased. All services of an environment have the same rate.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, StatusCode, TraceState
from opentelemetry.util.types import Attributes

RATES: Mapping[str, float] = {"staging": 0.5, "production": 0.1}
"""The share of traces by environment; all of them in any other."""

PROFILE_RATES: Mapping[str, float] = {"staging": 0.3, "production": 0.05}
"""The share of processes that are profiled where profiles are asked for, by environment; all of them in any other."""

ATTRIBUTE = "sentry.client_sample_rate"

_random = random.SystemRandom()
_rate = 1.0


def configure(rate: float) -> None:
    """Draw this share of the traces, 0 to 1, in this process from now on. ValueError for any other number."""
    if not 0 <= rate <= 1:
        raise ValueError(f"the share of traces is from 0 to 1, not {rate}")
    globals()["_rate"] = rate


def profile_rate(environment: str, rate: float | None) -> float:
    """The share of processes to profile: `rate`, or the environment's for None. ValueError for one not in 0 to 1."""
    found = PROFILE_RATES.get(environment, 1.0) if rate is None else rate
    if not 0 <= found <= 1:
        raise ValueError(f"the share of profiled processes is from 0 to 1, not {found}")
    return found


def drawn() -> bool:
    """Whether a trace that begins now is one that is sent."""
    return _rate >= 1 or _random.random() < _rate


class DrawnTraces(Sampler):
    """Follows the caller's flag, draws where there is no caller, and records each segment all the same.

    `attributes` are those of every span: a sampler can give them to a span for a third of what a processor would take.
    """

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self._attributes = attributes

    def should_sample(  # noqa: PLR0917 - OpenTelemetry's
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """The decision, and the rate on the spans of what was drawn."""
        parent = trace.get_current_span(parent_context).get_span_context()
        if parent.trace_flags.sampled if parent.is_valid else drawn():
            found = {**(attributes or {}), **self._attributes, ATTRIBUTE: _rate}
            return SamplingResult(Decision.RECORD_AND_SAMPLE, found)
        if parent.is_valid and not parent.is_remote:
            return SamplingResult(Decision.DROP)
        return SamplingResult(Decision.RECORD_ONLY, {**(attributes or {}), **self._attributes})

    def get_description(self) -> str:
        """What it is, for debug output."""
        return f"DrawnTraces{{{_rate}}}"


class KeptSpans(SpanProcessor):
    """Hands on the spans that were drawn, and failed segments with the rate 1."""

    def __init__(self, receiver: SpanProcessor) -> None:
        self._receiver = receiver

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Let the receiver know."""
        self._receiver.on_start(span, parent_context)

    def on_end(self, span: ReadableSpan) -> None:
        """Drop or hand on."""
        failed = span.status.status_code is StatusCode.ERROR
        segment = span.parent is None or span.parent.is_remote
        self._receiver.on_end(_whole(span) if failed and segment else span)

    def shutdown(self) -> None:
        """Send what is left."""
        self._receiver.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Send what is there."""
        return self._receiver.force_flush(timeout_millis)


def _whole(span: ReadableSpan) -> ReadableSpan:
    """The span as one that stands for itself alone, and is sent."""
    if span.context is None:
        return span
    context = trace.SpanContext(
        span.context.trace_id,
        span.context.span_id,
        span.context.is_remote,
        trace.TraceFlags(trace.TraceFlags.SAMPLED),
        span.context.trace_state,
    )
    return ReadableSpan(
        name=span.name,
        context=context,
        parent=span.parent,
        resource=span.resource,
        attributes={**(span.attributes or {}), ATTRIBUTE: 1.0},
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
