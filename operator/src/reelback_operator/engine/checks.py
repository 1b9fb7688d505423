"""What the checks of a scenario make of a look at Sentry: an outcome each, with the value and the rule in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

from reelback_operator.engine import detector
from reelback_operator.engine.observations import Issue, Look, Measurement, Traffic
from reelback_operator.engine.spec import Check, ErrorRateCheck, LatencyCheck, MetricCheck, NewIssueCheck, Spec
from reelback_operator.engine.status import CheckStatus, Counts, Status, TargetStatus

# Below so many requests of the candidate, a percentile or a share compared with a limit says nothing.
MIN_SAMPLES = 20
# Below so many requests of a candidate until the deadline, that nothing failed is no sign of health.
MIN_REQUESTS = 50


def evaluate(spec: Spec, status: Status, look: Look) -> None:
    """Bring `status.checks` and the detector's memory in `status.targets` up to the look."""
    before = {check.name: check for check in status.checks}
    status.checks = []
    for check in spec.analysis.checks:
        last = before.get(check.name) or CheckStatus(name=check.name)
        now = _evaluate(check, last, spec, status, look)
        if look.source != "spans" and isinstance(check, ErrorRateCheck | LatencyCheck):
            now.detail += f" (counted from {look.source}: there are no spans)"
        status.checks.append(now)


def enough(spec: Spec, status: Status, look: Look) -> bool:
    """Whether every candidate, and what it is compared with, has served enough to call the candidate healthy.

    A figure of the platform's own that nobody sent is not enough either.
    """
    releases = [target.new_release for target in status.targets]
    if spec.release and spec.release.strategy.type == "Canary":
        releases += [target.old_release for target in status.targets]
    measured = all(check.name in look.metrics for check in spec.analysis.metrics)
    return measured and all(_served(look, release).requests >= MIN_REQUESTS for release in releases)


def recovered(spec: Spec, status: Status, look: Look) -> bool:
    """Whether nothing says that a target fails more often than before the candidate came, or that a figure is bad."""
    for target in status.targets:
        now = _served(look, target.old_release)
        before = detector.total(target.history, target.baseline)
        if not now.requests or detector.pooled(now, before, spec.analysis.tolerated_ratio) > math.log(10):
            return False
    measured = ((check, look.metrics.get(check.name)) for check in spec.analysis.metrics)
    return all(found is not None and not _out_of_bounds(check, found.value) for check, found in measured)


def _evaluate(check: Check, last: CheckStatus, spec: Spec, status: Status, look: Look) -> CheckStatus:
    applied = status.times.applied_at
    match check:
        case ErrorRateCheck(method="Sequential"):
            return _sequential(check, spec, status.targets, look)
        case ErrorRateCheck():
            return _error_rate(check, last, status.targets, look)
        case LatencyCheck():
            return _latency(check, last, status.targets, look)
        case MetricCheck():
            return _metric(check, last, look.metrics.get(check.name))
        case NewIssueCheck():
            issues = [issue for target in status.targets for issue in look.issues.get(target.new_release, ())]
            return _new_issue(check, [issue for issue in issues if applied is None or issue.first_seen >= applied])


def _sequential(check: ErrorRateCheck, spec: Spec, targets: Sequence[TargetStatus], look: Look) -> CheckStatus:
    """The candidates against their baselines; several targets share one alpha, by the mean of their evidence."""
    found = []
    for target in targets:
        candidate = _served(look, target.new_release)
        if spec.release and spec.release.strategy.type == "Replace":
            target.candidate = candidate
            found.append(detector.pooled(candidate, target.history, check.min_ratio))
            continue
        _extend(target, candidate, _served(look, target.old_release), check.min_ratio)
        found.append(
            detector.beside(
                target.evidence,
                target.candidate,
                target.baseline,
                target.history,
                ratio=check.min_ratio,
                alpha=check.alpha,
            )
        )
    evidence, limit = math.exp(min(detector.log_mean(found), 700)), 1 / check.alpha
    worst = targets[found.index(max(found))]
    baseline = detector.total(worst.history, worst.baseline)
    failed = evidence >= limit
    where = f" in {worst.name}" if len(targets) > 1 else ""
    return CheckStatus(
        name=check.name,
        outcome="Failed" if failed else "Running" if worst.candidate.requests else "NoData",
        value=_share(worst.candidate),
        baseline=_share(baseline),
        evidence=float(f"{evidence:.3g}"),
        samples=worst.candidate.requests,
        detail=f"{check.name}{where} {_rate(worst.candidate)} against {_rate(baseline)}: "
        f"evidence {_number(evidence)} {'>=' if failed else '<'} {_number(limit)}",
    )


def _extend(target: TargetStatus, candidate: Counts, baseline: Counts, ratio: float) -> None:
    """Take in what was counted since the last look, once both have served.

    Counts that shrink (Sentry extrapolates from samples) wait until they have grown again.
    """
    new, old = detector.since(candidate, target.candidate), detector.since(baseline, target.baseline)
    if new.requests <= 0 or old.requests <= 0 or not _possible(new) or not _possible(old):
        return
    before = detector.total(target.history, target.baseline)
    target.evidence = [round(log, 6) for log in detector.extend(target.evidence, new, old, before, ratio)]
    target.candidate, target.baseline = candidate, baseline


def _possible(counts: Counts) -> bool:
    return 0 <= counts.failures <= counts.requests


def _error_rate(check: ErrorRateCheck, last: CheckStatus, targets: Sequence[TargetStatus], look: Look) -> CheckStatus:
    limit = check.max or 0.0
    served = [_served(look, target.new_release) for target in targets]
    worst = max(served, key=lambda counts: counts.failures / max(counts.requests, 1))
    share = worst.failures / max(worst.requests, 1)
    words = f"{_rate(worst)}, the limit is {100 * limit:.3g} %"
    return _in_a_row(check, last, worst.requests, bad=share > limit, value=_share(worst), words=words)


def _latency(check: LatencyCheck, last: CheckStatus, targets: Sequence[TargetStatus], look: Look) -> CheckStatus:
    """Slow counts only where what serves beside it is not: a machine that slows both is not the candidate's fault."""
    nothing = Traffic()
    pairs = [
        (look.traffic.get(each.new_release, nothing), look.traffic.get(each.old_release, nothing)) for each in targets
    ]
    judged = [((new.p95 or 0.0) > check.max >= (old.p95 or 0.0), new, old) for new, old in pairs]
    above, worst, beside = max(judged, key=lambda each: (each[0], each[1].p95 or 0.0))
    value = _milliseconds(worst.p95)
    against = f" against {_milliseconds(beside.p95)}" if beside.p95 is not None else ""
    words = f"P95 {value}{against}, the limit is {1000 * check.max:.0f} ms"
    samples = worst.counts.requests if worst.p95 is not None else 0
    return _in_a_row(check, last, samples, bad=above, value=value, words=words)


def _metric(check: MetricCheck, last: CheckStatus, measured: Measurement | None) -> CheckStatus:
    if measured is None:
        return _in_a_row(check, last, 0, bad=False, value="", words="")
    value = _figure(measured.value, check.unit)
    bounds = [
        f"{word} {_figure(bound, check.unit)}"
        for word, bound in (("at least", check.min), ("at most", check.max))
        if bound is not None
    ]
    bad = _out_of_bounds(check, measured.value)
    words = f"{value}, has to be {' and '.join(bounds)}"
    return _in_a_row(check, last, measured.samples, bad=bad, value=value, words=words)


def _out_of_bounds(check: MetricCheck, value: float) -> bool:
    return (check.min is not None and value < check.min) or (check.max is not None and value > check.max)


def _figure(value: float, unit: str | None) -> str:
    """0.973 of a ratio, 1.25 cent, 123457 cent."""
    digits = f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return digits if unit in (None, "ratio") else f"{digits} {unit}"


def _milliseconds(seconds: float | None) -> str:
    return f"{1000 * (seconds or 0.0):.0f} ms"


def _in_a_row(
    check: ErrorRateCheck | LatencyCheck | MetricCheck,
    last: CheckStatus,
    samples: int,
    *,
    bad: bool,
    value: str,
    words: str,
) -> CheckStatus:
    """A measurement that may be bad so many times in a row, but for one."""
    if samples < (1 if isinstance(check, MetricCheck) else MIN_SAMPLES):
        return CheckStatus(name=check.name, outcome="NoData", samples=samples, detail=f"{check.name}: no data")
    failures = last.failures + 1 if bad else 0
    failed = failures >= check.consecutive_failures
    return CheckStatus(
        name=check.name,
        outcome="Failed" if failed else "Running",
        value=value,
        samples=samples,
        failures=failures,
        detail=f"{check.name} {words}"
        + (f": {failures} of {check.consecutive_failures} looks in a row" if bad else ""),
    )


def _new_issue(check: NewIssueCheck, issues: Sequence[Issue]) -> CheckStatus:
    loudest = max(issues, key=lambda issue: issue.events, default=None)
    events = loudest.events if loudest else 0
    failed = events >= check.min_events
    title = f"{loudest.title!r}, {events} events" if loudest else "none"
    return CheckStatus(
        name=check.name,
        outcome="Failed" if failed else "Running",
        value=loudest.title if loudest else None,
        samples=events,
        detail=f"{check.name}: {title} {'>=' if failed else '<'} {check.min_events}",
    )


def _served(look: Look, release: str) -> Counts:
    return look.traffic.get(release, Traffic()).counts


def _share(counts: Counts) -> str:
    return f"{100 * counts.failures / max(counts.requests, 1):.1f} %"


def _rate(counts: Counts) -> str:
    return f"{_share(counts)} ({counts.failures}/{counts.requests})"


def _number(value: float) -> str:
    """1000, 32, 0.05, 4.1e3: two digits that count are enough."""
    if value == round(value) and value < 1e5:
        return f"{value:.0f}"
    if value < 100:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"
