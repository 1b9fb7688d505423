"""Spans for the commands that a request sends to MongoDB."""

from __future__ import annotations

import sentry_sdk
from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from pymongo.monitoring import CommandFailedEvent, CommandListener, CommandStartedEvent, CommandSucceededEvent

_tracer = trace.get_tracer(__name__)


class CommandSpans(CommandListener):
    """For `event_listeners` of a client. A command outside a request makes no span: it would count as one itself.

    A span says which command on which collection, and never its content; and so does the breadcrumb that it leaves.
    """

    def __init__(self) -> None:
        self._spans: dict[int, Span] = {}

    def started(self, event: CommandStartedEvent) -> None:
        """Open the span of a command."""
        if not trace.get_current_span().is_recording():
            return
        collection = str(event.command.get(event.command_name, ""))
        self._spans[event.request_id] = _tracer.start_span(
            f"{event.command_name} {collection}",
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": "mongodb",
                "db.namespace": event.database_name,
                "db.collection.name": collection,
                "db.operation.name": event.command_name,
            },
        )

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Close the span."""
        if span := self._spans.pop(event.request_id, None):
            span.end()
            _leave(event, "info")

    def failed(self, event: CommandFailedEvent) -> None:
        """Close the span as failed; the server's message stays out, as it may quote a document."""
        if span := self._spans.pop(event.request_id, None):
            span.set_status(Status(StatusCode.ERROR, str(event.failure.get("codeName", ""))))
            span.end()
            _leave(event, "error")


def _leave(event: CommandSucceededEvent | CommandFailedEvent, level: str) -> None:
    took = f"{event.duration_micros / 1000:.1f} ms"
    sentry_sdk.add_breadcrumb(
        category="query", message=f"{event.command_name} {event.database_name}: {took}", level=level
    )
