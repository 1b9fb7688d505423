"""Errors that a service has handled itself, and how all of its errors are grouped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import sentry_sdk
from sentry_sdk.utils import event_from_exception

from reelback_telemetry import consent, plain, runtime, scrubbing
from reelback_telemetry import context as contexts
from reelback_telemetry.operations import OPERATION

Level = Literal["error", "fatal"]


def capture_custom_exception(
    error: BaseException,
    context: Mapping[str, object] | None = None,
    tags: Mapping[str, object] | None = None,
    user: str = "",
) -> str:
    """Send an exception that was handled, once; the event's id, empty when nothing is sent.

    `context` is what the service knows of it, `tags` what one searches by, `user` a pseudonymous id. Raised on, it
    makes no second event.
    """
    with sentry_sdk.new_scope() as scope:
        scope.set_context("business", plain.tree(context or {}))
        for name, value in (tags or {}).items():
            scope.set_tag(plain.text(name), plain.text(value))
        if user:
            scope.set_user({"id": plain.text(user)})
        return sentry_sdk.capture_exception(error) or ""


def capture_unhandled(error: BaseException, level: Level = "error") -> None:
    """Send an exception that nobody has handled: the session that it ended has crashed."""
    event, hint = event_from_exception(
        error,
        client_options=sentry_sdk.get_client().options,
        mechanism={"type": "reelback", "handled": False},
    )
    sentry_sdk.capture_event({**event, "level": level}, hint=hint)


def completed(event: Any) -> Any:
    """The event with the state of the process; where an operation is known, it is grouped by that, error type and the
    player's tier, too. Without Sentry's own grouping two bugs of an operation would be one issue."""
    event.setdefault("contexts", {})["runtime_state"] = runtime.state()
    tags = event.get("tags") or {}
    values = (event.get("exception") or {}).get("values") or []
    if OPERATION in tags and values and not event.get("fingerprint"):
        kind = values[-1].get("type") or ""
        event["fingerprint"] = ["{{ default }}", tags[OPERATION], kind, tags.get(contexts.TIER, "")]
    return _impersonal(event) if consent.TAG in tags else event


def _impersonal(event: Any) -> Any:
    """The event of a request without consent: no user, no breadcrumb of what the user did, no network of an address."""
    event.pop("user", None)
    crumbs = event.get("breadcrumbs") or {}
    kept = [it for it in crumbs.get("values") or [] if it.get("category") not in consent.PERSONAL]
    return scrubbing.without_addresses({**event, "breadcrumbs": {**crumbs, "values": kept}})
