"""What is known of the request that is being worked on: its trace, and for whom it is."""

from __future__ import annotations

import sentry_sdk
from opentelemetry import trace


def trace_id() -> str:
    """The trace that is being worked on, as 32 hex digits; empty when there is none."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def set_player(player_id: str) -> None:
    """Say for whom the current request is done; only ever the pseudonymous id."""
    sentry_sdk.get_isolation_scope().set_user({"id": player_id})
    trace.get_current_span().set_attribute("user.id", player_id)
