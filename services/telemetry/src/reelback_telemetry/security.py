"""Security events: what somebody does who should not, counted and said in the log, and never more often than it helps.

They are warnings, not errors: whoever could make errors at will could have a release rolled back.
"""

from __future__ import annotations

import logging
from collections import Counter as Tally

from prometheus_client import Counter

from reelback_telemetry.seldom import Seldom

QUIET_SECONDS = 60.0
"""One kind is said once in this time, with how often it came since."""

EVENTS = Counter("security_events", "What was refused because somebody seems to attack", ["kind"])

log = logging.getLogger(__name__)
_said = Seldom(QUIET_SECONDS)
_since: Tally[str] = Tally()


def report(kind: str, text: str) -> None:
    """Count an event of a kind; `text` is the same for all of one kind, and names neither person nor secret."""
    EVENTS.labels(kind).inc()
    _since[kind] += 1
    if _said.passes(kind):
        log.warning("security event %s, %d times: %s", kind, _since.pop(kind), text)
