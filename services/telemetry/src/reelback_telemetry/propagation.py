"""The headers that carry a trace from one service to the next, as Sentry names them.

Together with OpenTelemetry's own propagator of `traceparent`, either kind of neighbour can join.
"""

from __future__ import annotations

import re

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

TRACE, BAGGAGE = "sentry-trace", "baggage"

BAGGAGE_LENGTH = 1024
"""What is longer is not passed on: gRPC refuses a call with more than 8 kB of metadata, and these are not all of it."""

SENTRY_TRACE = re.compile(r"([0-9a-f]{32})-([0-9a-f]{16})(?:-([01]))?")
_BAGGAGE = re.compile(rf"[ -~]{{1,{BAGGAGE_LENGTH}}}")  # what else it may hold, no call of gRPC can carry
_BAGGAGE_KEY = contexts.create_key("baggage-header")


class SentryHeaders(TextMapPropagator):
    """`sentry-trace`, and `baggage` just as it came, if it can go on: whatever is in it is for others.

    Sentry's own propagators do the same for several times the price, and drop what is not theirs.
    """

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """The context with the caller's span as its current one, and with its baggage."""
        found = Context() if context is None else context
        if (values := getter.get(carrier, TRACE)) and (match := SENTRY_TRACE.fullmatch(values[0].strip())):
            trace_id, span_id, sampled = match.groups()
            flags = TraceFlags.DEFAULT if sampled == "0" else TraceFlags.SAMPLED
            caller = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(flags))
            found = trace.set_span_in_context(NonRecordingSpan(caller), found)
        baggage = ",".join(getter.get(carrier, BAGGAGE) or ())
        return contexts.set_value(_BAGGAGE_KEY, baggage, found) if _BAGGAGE.fullmatch(baggage) else found

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """The current span, if there is one, and the baggage that came."""
        span = trace.get_current_span(context).get_span_context()
        if span.is_valid:
            sampled = int(span.trace_flags.sampled)
            ids = f"{trace.format_trace_id(span.trace_id)}-{trace.format_span_id(span.span_id)}"
            setter.set(carrier, TRACE, f"{ids}-{sampled}")
        if baggage := contexts.get_value(_BAGGAGE_KEY, context):
            setter.set(carrier, BAGGAGE, str(baggage))

    @property
    def fields(self) -> set[str]:
        """The names of the headers."""
        return {TRACE, BAGGAGE}
