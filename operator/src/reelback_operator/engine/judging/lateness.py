"""How late requests come to be known by Sentry: measured, for neither its pipeline nor the pods' clocks are known.

A window that has passed is counted again at every look. The age at which it still grew is how late something was that
belongs into it: a slow collector, a queue, a clock that is behind. Everything that is judged ends as long ago as that,
for the old release and the new one alike, so that neither is judged by what only one of them has sent yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from reelback_operator.engine.model.observations import Look, Question
from reelback_operator.engine.model.status import Lateness, Status

# What is later than this is not waited for.
MOST = 120.0
# What comes sooner does not count as late: both releases' requests take the same way.
LEAST = 5.0
# A window is done when so many further requests would have been expected and none came.
QUIET_REQUESTS = 10


def allowance(status: Status) -> float:
    """By how many seconds everything that is judged lies back."""
    late = status.lateness.seconds
    return late if late > LEAST else 0.0


def measure(lateness: Lateness, asked: Question, look: Look, now: datetime, interval: float) -> None:
    """Take in a look; `interval` is the time between looks in seconds."""
    counted = {release: look.traffic[release].requests for release in asked.releases if release in look.traffic}
    if lateness.end is None or asked.recount != lateness.end:
        if any(counted.values()):
            _begin(lateness, asked.end, counted, now)
        return
    if _grew(look.recounted, lateness.counts):
        # What came since the last look was later than the window's age then, at least.
        lateness.grew, lateness.counts = lateness.age, dict(look.recounted)
        lateness.seconds = max(lateness.seconds, min(lateness.age, MOST))
    lateness.age = (now - lateness.end).total_seconds()
    if lateness.age - lateness.grew > _quiet(lateness, asked, interval):
        _begin(lateness, asked.end, counted, now)


def _begin(lateness: Lateness, end: datetime, counts: Mapping[str, int], now: datetime) -> None:
    lateness.end, lateness.counts = end, dict(counts)
    lateness.grew, lateness.age = 0.0, (now - end).total_seconds()


def _grew(now: Mapping[str, int], then: Mapping[str, int]) -> bool:
    return any(now.get(release, 0) > requests for release, requests in {**dict.fromkeys(now, 0), **then}.items())


def _quiet(lateness: Lateness, asked: Question, interval: float) -> float:
    """Seconds without growth after which nothing more is expected in the window."""
    requests = sum(lateness.counts.values())
    span = (asked.end - asked.start).total_seconds()
    return max(3 * interval, min(QUIET_REQUESTS * span / max(requests, 1), MOST))
