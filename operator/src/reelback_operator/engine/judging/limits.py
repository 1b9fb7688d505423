"""Checks that hold a figure against a limit: it may be beyond it so many looks in a row, but for one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reelback_operator.engine.judging import rates
from reelback_operator.engine.model.observations import Look
from reelback_operator.engine.model.spec import ErrorRateCheck, LatencyCheck, MetricCheck, Spec
from reelback_operator.engine.model.status import CheckStatus, TargetStatus
from reelback_operator.engine.model.words import figure, milliseconds, rate, share

# Below so many requests, a percentile or a share compared with a limit says nothing.
MIN_SAMPLES = 20

LimitCheck = ErrorRateCheck | LatencyCheck | MetricCheck


@dataclass(frozen=True, slots=True)
class _Reading:
    """What a look shows of a check: the worst of those targets of which it shows enough."""

    bad: bool
    badness: float
    value: str
    samples: int
    words: str


def judge(
    check: LimitCheck, last: CheckStatus, spec: Spec, targets: Sequence[TargetStatus], *, look: Look, at: datetime
) -> CheckStatus:
    """The check after a look. One that shows nothing neither clears nor adds to what was bad before."""
    unseen: list[str] = []
    match check:
        case ErrorRateCheck():
            readings = _error_rates(check, targets, look, at, unseen)
        case LatencyCheck():
            readings = _latencies(check, spec.analysis.tolerated_ratio, targets, look, unseen)
        case MetricCheck():
            readings = _metric(check, look)
    worst = max(readings, key=lambda reading: (reading.bad, reading.badness), default=None)
    until, failures = last.judged_until, last.failures
    if worst is not None:
        failures = failures + 1 if worst.bad else 0
        until = until if unseen else at
    failed = failures >= check.consecutive_failures
    row = f": {failures} of {check.consecutive_failures} looks in a row" if failures else ""
    status = CheckStatus(
        name=check.name,
        outcome="Failed" if failed else "Running" if worst else "NoData",
        value=worst.value if worst else None,
        samples=worst.samples if worst else 0,
        failures=failures,
        detail=f"{check.name} {worst.words}{row}" if worst else f"{check.name}: no data",
        judged_until=until,
    )
    status.missing = _missing(check, status, spec, unseen, at)
    return status


def out_of_bounds(check: MetricCheck, value: float) -> bool:
    """Whether a figure is not as it has to be."""
    return (check.min is not None and value < check.min) or (check.max is not None and value > check.max)


def _missing(check: LimitCheck, status: CheckStatus, spec: Spec, unseen: Sequence[str], at: datetime) -> str:
    """Why the check cannot vouch for the candidate as of `at`, or nothing."""
    patience = max(rates.SILENCE, 3 * spec.analysis.interval, check.window if isinstance(check, MetricCheck) else 0.0)
    if status.judged_until is None or at - status.judged_until > timedelta(seconds=patience):
        return f"{check.name} has judged nothing lately: {', '.join(unseen) or 'no data'}"
    return f"{status.detail}" if status.failures else ""


def _error_rates(
    check: ErrorRateCheck, targets: Sequence[TargetStatus], look: Look, at: datetime, unseen: list[str]
) -> list[_Reading]:
    readings, limit = [], check.max or 0.0
    for target in targets:
        rates.take_in(check, target, look, at, alone=True)
        seen = rates.served(check, target)
        if seen.requests < MIN_SAMPLES or target.new_release not in look.traffic:
            unseen.append(f"{seen.requests} of at least {MIN_SAMPLES} requests of {target.new_release}")
            continue
        words = f"{rate(seen)}, the limit is {100 * limit:.3g} %"
        failed = seen.failures / seen.requests
        readings.append(_Reading(failed > limit, failed, share(seen), seen.requests, words))
    return readings


def _latencies(
    check: LatencyCheck, tolerated: float, targets: Sequence[TargetStatus], look: Look, unseen: list[str]
) -> list[_Reading]:
    """Slow counts only where what serves beside it is not as slow: a machine that slows both is nobody's fault."""
    readings = []
    for target in targets:
        new, old = look.latency.get(target.new_release), look.latency.get(target.old_release)
        if new is None or new.requests < MIN_SAMPLES:
            seen = new.requests if new else 0
            unseen.append(f"P95 of {seen} of at least {MIN_SAMPLES} requests of {target.new_release}")
            continue
        beside = old.p95 if old is not None and old.requests >= MIN_SAMPLES else None
        excused = beside is not None and beside > check.max and new.p95 <= tolerated * beside
        against = f" against {milliseconds(beside)}" if beside is not None else ""
        value = milliseconds(new.p95)
        words = f"P95 {value}{against}, the limit is {milliseconds(check.max)}"
        readings.append(_Reading(new.p95 > check.max and not excused, new.p95, value, new.requests, words))
    return readings


def _metric(check: MetricCheck, look: Look) -> list[_Reading]:
    measured = look.metrics.get(check.name)
    if measured is None:
        return []
    value = figure(measured.value, check.unit)
    bounds = [
        f"{word} {figure(bound, check.unit)}"
        for word, bound in (("at least", check.min), ("at most", check.max))
        if bound is not None
    ]
    words = f"{value}, has to be {' and '.join(bounds)}"
    return [_Reading(out_of_bounds(check, measured.value), 0.0, value, measured.samples, words)]
