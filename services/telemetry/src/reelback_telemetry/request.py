"""One piece of work that is done for a caller: its span, its Sentry scope, its session.

A request is a *segment* in Sentry's sense: a span whose parent is remote or absent. Whatever the transport,
an exception that leaves it becomes exactly one event, with the ids of this span.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sentry_sdk
from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue
from sentry_sdk.sessions import track_session

from reelback_telemetry import consent, context, errors, loops

log = logging.getLogger(__name__)
_tracer = trace.get_tracer(__name__)


@contextmanager
def request(
    name: str,
    carrier: Mapping[str, str],
    attributes: Mapping[str, AttributeValue],
    expected: tuple[type[Exception], ...] = (),
    kind: SpanKind = SpanKind.SERVER,
) -> Iterator[Span]:
    """A span, SERVER or CONSUMER, that continues the trace in `carrier` (lower-case header names), or starts one.

    An exception marks the span as failed, is sent to Sentry once, as not handled, and is raised again; those of
    the types `expected` only pass through.
    """
    with sentry_sdk.isolation_scope() as scope, track_session(scope, session_mode="request"):
        scope.clear_breadcrumbs()
        scope.set_transaction_name(name)
        caller = propagate.extract(carrier)
        span = _tracer.start_span(name, caller, kind, attributes)
        of = span.get_span_context()
        # For what a thread reports: it inherits Sentry's scope, and not OpenTelemetry's span.
        scope.generate_propagation_context(
            {"sentry-trace": f"{trace.format_trace_id(of.trace_id)}-{trace.format_span_id(of.span_id)}"}
        )
        token = contexts.attach(context.of_request(span, expected, caller))
        if not consent.given():
            consent.refuse()
        began = time.monotonic()
        try:
            yield span
        except expected:
            raise
        except Exception as error:
            errors.capture_unhandled(error)
            log.exception("%s failed", name)
            span.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise
        finally:
            loops.report_blocked(began)
            contexts.detach(token)
            span.end()
