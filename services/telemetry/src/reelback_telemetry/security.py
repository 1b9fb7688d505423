"""Security events: what somebody does who should not. Counted, said in the log and sent, never more often than helps.

They are warnings, not errors: whoever could make errors at will could have a release rolled back.
"""

from __future__ import annotations

import logging
from collections import Counter as Tally

import sentry_sdk
from prometheus_client import Counter

from reelback_telemetry.seldom import Seldom

QUIET_SECONDS = 60.0
"""One kind is said once in this time, with how often it came since."""

TAG = "security.event"

EVENTS = Counter("security_events", "What was refused because somebody seems to attack", ["kind"])

log = logging.getLogger(__name__)
_said = Seldom(QUIET_SECONDS)
_since: Tally[str] = Tally()


def report(kind: str, text: str) -> None:
    """Count an event of a kind; `text` is the same for all of one kind, and names neither person nor secret.

    A kind is one issue, whoever did it and wherever.
    """
    EVENTS.labels(kind).inc()
    _since[kind] += 1
    if not _said.passes(kind):
        return
    times = _since.pop(kind)
    log.warning("security event %s, %d times: %s", kind, times, text)
    with sentry_sdk.new_scope() as scope:
        scope.fingerprint = ["security", kind]
        scope.set_tag(TAG, kind)
        scope.set_context("security", {"times": times})
        sentry_sdk.capture_message(f"security event {kind}: {text}", level="warning")
