"""Whether the person for whom a request is made lets telemetry know who that is.

It goes with the request's calls and events, as a header; who refuses once has refused for all of it. Errors are sent
all the same, without the person: see `errors.completed`.
"""

from __future__ import annotations

from collections.abc import Iterable

import sentry_sdk
from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import (
    CarrierT,
    Getter,
    Setter,
    TextMapPropagator,
    default_getter,
    default_setter,
)

HEADER, REFUSED = "telemetry-consent", "no"

TAG = "consent"
"""The tag of events of requests without consent."""

PERSONAL = frozenset({"auth", "business", "journey", "payment"})
"""Categories of breadcrumbs that say what a person has done."""

_KEY = contexts.create_key("consent")


class _Consent:
    """Of one request: it may be refused at any time, whatever spans are open."""

    def __init__(self, given: bool) -> None:
        self.given = given


class ConsentHeader(TextMapPropagator):
    """Carries a refusal; without the header there is consent."""

    def extract(
        self, carrier: CarrierT, context: Context | None = None, getter: Getter[CarrierT] = default_getter
    ) -> Context:
        """The context of a request, with what its caller says."""
        refused = REFUSED in (getter.get(carrier, HEADER) or ())
        return contexts.set_value(_KEY, _Consent(not refused), Context() if context is None else context)

    def inject(
        self, carrier: CarrierT, context: Context | None = None, setter: Setter[CarrierT] = default_setter
    ) -> None:
        """The refusal, if there is one."""
        if not given(context):
            setter.set(carrier, HEADER, REFUSED)

    @property
    def fields(self) -> set[str]:
        """The name of the header."""
        return {HEADER}


def given(context: Context | None = None) -> bool:
    """Whether nobody has refused, for the request that is being worked on."""
    found = contexts.get_value(_KEY, context)
    return found.given if isinstance(found, _Consent) else True


def refuse() -> None:
    """From now on the request's events, and those of the calls that it makes, do not know the person."""
    found = contexts.get_value(_KEY)
    if isinstance(found, _Consent):
        found.given = False
    scope = sentry_sdk.get_isolation_scope()
    scope.set_user(None)
    scope.set_tag(TAG, REFUSED)


def refused_by(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a browser says so: `Sec-GPC: 1` or `DNT: 1`."""
    return any(name in (b"sec-gpc", b"dnt") and value.strip() == b"1" for name, value in headers)
