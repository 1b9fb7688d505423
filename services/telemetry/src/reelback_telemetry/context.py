"""What is known of the request that is being worked on: its trace, for whom it is, and of what kind it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sentry_sdk
from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Span

from reelback_telemetry import consent as consents
from reelback_telemetry import plain

TIER, ACCOUNT_AGE, BALANCE = "player.tier", "account.age", "balance.class"
GAME, FEATURE, AUTHENTICATED = "game", "feature", "authenticated"
"""Tags of events, and attributes of the segment. The tier ends the fingerprints, too."""

AGES = (("day", timedelta(days=1)), ("week", timedelta(days=7)), ("month", timedelta(days=30)))
BALANCES = (("none", 1), ("low", 2_000), ("middle", 100_000))
"""Classes with the first age, and the first balance in minor units, that is no longer in them; beyond the last,
`older` and `high`."""

USER = "user.id"
"""The attribute of the segment."""

_SEGMENT = contexts.create_key("segment")
_EXPECTED = contexts.create_key("expected")


def trace_id() -> str:
    """The trace that is being worked on, as 32 hex digits; empty when there is none."""
    context = trace.get_current_span().get_span_context()
    return trace.format_trace_id(context.trace_id) if context.is_valid else ""


def set_player(player_id: str, *, consent: bool = True) -> None:
    """Say for whom the current request is done; only ever the pseudonymous id.

    Without `consent`, or when it was refused where the request came in, nothing is said, here and in the calls that
    the request makes from now on.
    """
    if not consent:
        consents.refuse()
    if not consents.given():
        return
    sentry_sdk.get_isolation_scope().set_user({"id": player_id})
    segment().set_attribute(USER, player_id)


def player() -> str:
    """For whom the current request is done, as `set_player` has said; empty where nobody has, or without consent."""
    span = segment()
    return str((span.attributes or {}).get(USER, "")) if isinstance(span, ReadableSpan) else ""


def describe(
    *,
    tier: str | None = None,
    account_since: datetime | None = None,
    balance: int | None = None,
    game: str | None = None,
    feature: str | None = None,
    authenticated: bool | None = None,
) -> None:
    """Say of what kind the current request is, as far as it is known by now.

    Of the time since when there is an account (UTC), and of a balance in minor units, only the class is told.
    """
    known = {
        TIER: tier,
        ACCOUNT_AGE: account_since and age_class(datetime.now(UTC) - account_since),
        BALANCE: None if balance is None else balance_class(balance),
        GAME: game,
        FEATURE: feature,
        AUTHENTICATED: None if authenticated is None else str(authenticated).lower(),
    }
    told = {name: plain.text(value) for name, value in known.items() if value is not None}
    sentry_sdk.get_isolation_scope().set_tags(told)
    segment().set_attributes(told)


def age_class(age: timedelta) -> str:
    """The class of an account's age."""
    return next((name for name, end in AGES if age < end), "older")


def balance_class(amount: int) -> str:
    """The class of a balance in minor units."""
    return next((name for name, end in BALANCES if amount < end), "high")


def segment() -> Span:
    """The span of the request that is being worked on, whatever spans are open inside it; outside, one that is none."""
    found = contexts.get_value(_SEGMENT)
    return found if isinstance(found, Span) else trace.INVALID_SPAN


def expects(error: Exception) -> bool:
    """Whether the request that is being worked on takes this for an answer, and not for a failure."""
    found = contexts.get_value(_EXPECTED)
    return isinstance(found, tuple) and isinstance(error, found)


def of_request(span: Span, expected: tuple[type[Exception], ...], caller: Context) -> Context:
    """The context of a request that begins: its segment, the exceptions that are answers, and what its caller sent."""
    context = contexts.set_value(_SEGMENT, span, trace.set_span_in_context(span, caller))
    return contexts.set_value(_EXPECTED, expected, context)
