"""A process that works for two people, of whom one refuses to be known: `python refuser.py`, with SENTRY_DSN."""

from __future__ import annotations

import os
from contextlib import suppress

import sentry_sdk
from reelback_telemetry import business, context, errors, messaging, operations, request, sdk


@operations.tag_business_operation("order")
def order(player: str, consent: bool) -> None:
    context.set_player(player, consent=consent)
    context.set_player(player)  # whoever says it again, a refusal holds
    business.log_business_event("ordered", by=player)
    sentry_sdk.add_breadcrumb(category="query", message="find orders")
    headers = messaging.trace_headers()
    with suppress(ValueError), messaging.processing("orders", headers_of(headers), group="g", partition=0, offset=1):
        context.set_player(player)
        raise ValueError("behind")
    try:
        raise LookupError("asked from 203.0.113.7")
    except LookupError as error:
        errors.capture_custom_exception(error, user=player)


def headers_of(headers: dict[str, str]) -> list[tuple[str, str | bytes | None]]:
    return [(name, value.encode()) for name, value in headers.items()]


if __name__ == "__main__":
    with sdk.start("refuser", release="refuser@1.0.0", dsn=os.environ["SENTRY_DSN"]):
        for player, consent in (("ada", True), ("bob", False)):
            with request.request(f"POST /{consent}", {}, {}):
                order(player, consent)
