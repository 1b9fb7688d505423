"""What the checks of a scenario make of a look at Sentry: an outcome each, with the value and the rule in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from reelback_operator.engine.judging import detector, limits, rates
from reelback_operator.engine.judging.limits import MIN_SAMPLES
from reelback_operator.engine.model.observations import Issue, Look
from reelback_operator.engine.model.spec import Check, ErrorRateCheck, LatencyCheck, MetricCheck, SlowRateCheck, Spec
from reelback_operator.engine.model.status import CheckStatus, Counts, Status, TargetStatus

# Odds at which what serves counts as worse than what served before.
_WORSE = math.log(10)


def evaluate(spec: Spec, status: Status, look: Look, at: datetime) -> None:
    """Bring `status.checks` and what they have judged in `status.targets` up to a look, whose windows end at `at`."""
    before = {check.name: check for check in status.checks}
    status.checks = []
    for check in spec.analysis.checks:
        last = before.get(check.name) or CheckStatus(name=check.name)
        now = _judge(check, last, spec, status, look=look, at=at)
        if look.source != "spans" and isinstance(check, ErrorRateCheck | LatencyCheck | SlowRateCheck):
            now.detail += f" (counted from {look.source}: there are no spans)"
        status.checks.append(now)


def attribution(targets: Sequence[TargetStatus], look: Look) -> Issue | None:
    """The loudest issue that is new in a candidate: what most likely made it fail."""
    issues = [issue for target in targets for issue in look.issues.get(target.new_release, ()) if issue.events]
    return max(issues, key=lambda issue: issue.events, default=None)


def recovered(spec: Spec, status: Status, look: Look) -> bool:
    """Whether every target serves, and nothing says that it fails more often than before, or that a figure is bad."""
    for target in status.targets:
        now = look.traffic.get(target.old_release, Counts())
        if now.requests < MIN_SAMPLES:
            return False
        if detector.pooled(now, target.served, spec.analysis.tolerated_ratio) > _WORSE:
            return False
    measured = ((check, look.metrics.get(check.name)) for check in spec.analysis.metrics)
    return all(found is not None and not limits.out_of_bounds(check, found.value) for check, found in measured)


def _judge(check: Check, last: CheckStatus, spec: Spec, status: Status, *, look: Look, at: datetime) -> CheckStatus:
    if isinstance(check, LatencyCheck | MetricCheck) or (
        isinstance(check, ErrorRateCheck) and check.method == "Threshold"
    ):
        return limits.judge(check, last, spec, status.targets, look=look, at=at)
    return rates.judge(check, spec, status.targets, look, at)
