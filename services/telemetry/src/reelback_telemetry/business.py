"""What the business sees in a service: events, funnels, features and alerts, each in one line of code.

Events are structured logs, funnels and features are counts, alerts are messages that become issues. None of them
raises, and none waits for the network.
"""

from __future__ import annotations

from typing import Literal

import sentry_sdk
from sentry_sdk import logger

from reelback_telemetry import plain
from reelback_telemetry.counts import Counts
from reelback_telemetry.seldom import Seldom

ALERT_SECONDS = 60.0
"""An alert of one name is sent once in this time: whoever reads it has it then."""

Severity = Literal["info", "warning", "error", "fatal"]

_alerts = Seldom(ALERT_SECONDS)
_funnels, _features = Counts("funnel"), Counts("feature.usage")


def log_business_event(name: str, **facts: object) -> None:
    """Something happened that the business knows a word for: "withdrawal approved". Facts are no personal data."""
    known = plain.tree(facts)
    sentry_sdk.add_breadcrumb(category="business", message=plain.text(name), data=known)
    attributes = {f"business.{key}": value for key, value in known.items() if isinstance(value, str | int | float)}
    logger.info(plain.text(name).replace("{", "(").replace("}", ")"), attributes=attributes)


def track_conversion_funnel(funnel: str, step: str) -> None:
    """Count somebody who has come to a step of a funnel; steps may come in any order, or twice."""
    _funnels.add(funnel=funnel, step=step)


def track_feature_usage(feature: str, user_class: str = "") -> None:
    """Count a use of a feature; `user_class` is a class of users ("vip"), never one of them."""
    _features.add(feature=feature, user_class=user_class)


def trigger_business_alert(name: str, message: str, severity: Severity = "warning", **facts: object) -> None:
    """Tell people: one issue for each name, sent again after ALERT_SECONDS at the soonest."""
    if not _alerts.passes(name):
        return
    with sentry_sdk.new_scope() as scope:
        scope.fingerprint = ["business-alert", plain.text(name)]
        scope.set_tag("business.alert", plain.text(name))
        scope.set_context("business", plain.tree(facts))
        sentry_sdk.capture_message(plain.text(message), level=severity)
