"""Checks that compare a share of the candidate's with the baseline's: failed, slow or crashed ones.

Each keeps what it has judged of a target in `TargetStatus.judged`: totals up to a look, and the detector's memory. A
look counts once both releases have served since the last one; totals that fell are taken as they are now, and what
happened meanwhile is not judged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from reelback_operator.engine.judging import detector
from reelback_operator.engine.model.observations import Look
from reelback_operator.engine.model.spec import (
    Check,
    CrashFreeSessionsCheck,
    ErrorRateCheck,
    NewIssueCheck,
    SequentialCheck,
    SlowRateCheck,
    Spec,
)
from reelback_operator.engine.model.status import CheckStatus, Counts, Judged, TargetStatus
from reelback_operator.engine.model.words import number, rate, share

# Below so many requests of a release until the deadline, that nothing failed is no sign of health.
MIN_REQUESTS = 50
# A release that was busier than that and has served nothing for so many seconds is no longer judged. SDKs send sessions
# once a minute.
SILENCE = 10.0
SESSIONS_SILENCE = 150.0
# A gap of so many times the mean gap between requests has a chance of 1 in 20,000.
GAPS = 10.0


def counts(check: Check, look: Look, release: str, *, old: bool = False) -> Counts | None:
    """What a check counts of a release in a look, None when Sentry knows nothing of it."""
    match check:
        case ErrorRateCheck():
            return look.traffic.get(release)
        case SlowRateCheck():
            return look.slow.get(check.name, {}).get(release)
        case CrashFreeSessionsCheck():
            return look.sessions.get(release)
        case NewIssueCheck():
            traffic = look.traffic.get(release)
            if traffic is None:
                return None
            # Errors are kept where only a sample of the requests is.
            requests = round(traffic.requests / look.sampled.get(release, 1.0))
            new = sum(issue.events for issue in look.issues.get(release, ()))
            return Counts(requests=requests, failures=min(look.errors.get(release, 0) if old else new, requests))
    return None


def begin(checks: Sequence[Check], targets: Sequence[TargetStatus], look: Look, at: datetime) -> None:
    """Take what both releases have served until `at` as the past, which the candidate is not judged by."""
    for check in checks:
        for target in targets if isinstance(check, SequentialCheck) else ():
            known = counts(check, look, target.new_release) or Counts()
            history = counts(check, look, target.old_release, old=True) or Counts()
            target.judged[check.name] = Judged(
                known=known, history=history, candidate=known, baseline=history, begun_at=at
            )


def served(check: Check, target: TargetStatus) -> Counts:
    """What the candidate has served in its time, as far as it was judged."""
    judged = target.judged.get(check.name)
    return detector.since(judged.candidate, judged.known) if judged else Counts()


def judge(check: SequentialCheck, spec: Spec, targets: Sequence[TargetStatus], look: Look, at: datetime) -> CheckStatus:
    """The candidates against their baselines; several targets share one alpha, by the mean of their evidence."""
    replaced = spec.release is not None and spec.release.strategy.type == "Replace"
    found, missing, until, noticeable = [], [], [], []
    for target in targets:
        judged = take_in(check, target, look, at, alone=replaced)
        found.append((detector.alone if replaced else detector.beside)(judged.evidence))
        missing.append(_missing(check, spec, target, at, replaced=replaced))
        noticeable.append(_noticeable(check, judged, replaced=replaced))
        if not missing[-1] and noticeable[-1] > _blind(check, judged):
            missing[-1] = f"{check.name} would not have noticed {_percent(noticeable[-1])} of {target.new_release}"
        until.append(judged.judged_at)
    evidence, limit = math.exp(min(detector.log_mean(found), 700)), 1 / check.alpha
    worst = targets[found.index(max(found))]
    candidate, baseline = served(check, worst), worst.judged[check.name].baseline
    loud = isinstance(check, NewIssueCheck) and _events(targets, look) < check.min_events
    failed = evidence >= limit and not loud
    where = f" in {worst.name}" if len(targets) > 1 else ""
    return CheckStatus(
        name=check.name,
        outcome="Failed" if failed else "Running" if candidate.requests else "NoData",
        value=share(candidate),
        baseline=share(baseline),
        evidence=float(f"{evidence:.3g}"),
        samples=candidate.requests,
        detail=f"{check.name}{where} {rate(candidate)} against {rate(baseline)}: "
        f"evidence {number(evidence)} {'>=' if evidence >= limit else '<'} {number(limit)}{_sampling(worst, look)}",
        judged_until=min(each for each in until if each) if all(until) else None,
        noticeable=round(max(noticeable), 6) if max(noticeable) <= 1 else None,
        missing="; ".join(each for each in missing if each),
    )


def take_in(check: Check, target: TargetStatus, look: Look, at: datetime, *, alone: bool) -> Judged:
    """Judge what was served since the last look: by both releases, or by the candidate `alone`."""
    if check.name not in target.judged:
        begin([check], [target], look, at)
    judged = target.judged[check.name]
    candidate = counts(check, look, target.new_release)
    baseline = counts(check, look, target.old_release, old=True)
    if candidate is None or (baseline is None and not alone):
        return judged
    baseline = baseline or judged.baseline
    new, old = _gain(candidate, judged.candidate), _gain(baseline, judged.baseline)
    if new is None or old is None:
        # Sentry corrects itself, or answered for less than it has: what stays so the next time is what there is.
        judged.fallen += 1
        if judged.fallen > 1:
            judged.known, judged.history = _least(judged.known, candidate), _least(judged.history, baseline)
            judged.candidate, judged.baseline, judged.fallen = candidate, baseline, 0
        return judged
    judged.fallen = 0
    if new.requests and (old.requests or alone):
        if isinstance(check, SequentialCheck):
            beside, before = (Counts(), judged.history) if alone else (old, judged.baseline)
            memory = detector.extend(judged.evidence, new, beside, before, judged.history, ratio=check.min_ratio)
            judged.evidence = [round(each, 6) for each in memory]
        judged.candidate, judged.baseline, judged.judged_at = candidate, baseline, at
    return judged


def _missing(check: SequentialCheck, spec: Spec, target: TargetStatus, at: datetime, *, replaced: bool) -> str:
    """Why the check cannot vouch for the candidate in this target as of `at`, or nothing."""
    judged, unit = target.judged[check.name], "sessions" if isinstance(check, CrashFreeSessionsCheck) else "requests"
    candidate = detector.since(judged.candidate, judged.known)
    baseline = judged.history if replaced else detector.since(judged.baseline, judged.history)
    for release, seen in ((target.new_release, candidate), (target.old_release, baseline)):
        if seen.requests < MIN_REQUESTS:
            return f"{check.name} has judged {seen.requests} of at least {MIN_REQUESTS} {unit} of {release}"
    fewest = candidate.requests if replaced else min(candidate.requests, baseline.requests)
    silence = SESSIONS_SILENCE if isinstance(check, CrashFreeSessionsCheck) else SILENCE
    gap = GAPS * (at - judged.begun_at).total_seconds() / fewest
    ago = (at - (judged.judged_at or judged.begun_at)).total_seconds()
    if ago > max(silence, gap, 3 * spec.analysis.interval):
        both = target.new_release if replaced else f"{target.new_release} beside {target.old_release}"
        return f"{check.name} has judged nothing of {both} for {ago:.0f} s"
    return ""


def _noticeable(check: SequentialCheck, judged: Judged, *, replaced: bool) -> float:
    """The lowest share of failures that what was judged would have shown nine times in ten."""
    candidate = detector.since(judged.candidate, judged.known)
    baseline = Counts() if replaced else detector.since(judged.baseline, judged.history)
    return detector.noticeable(
        judged.evidence, candidate, baseline, judged.history, ratio=check.min_ratio, alpha=check.alpha
    )


def _blind(check: SequentialCheck, judged: Judged) -> float:
    """The share of failures that a check has to have noticed to be worth its word."""
    return max(0.5, 2 * check.min_ratio * judged.baseline.failures / max(judged.baseline.requests, 1))


def _percent(share: float) -> str:
    return f"that {100 * share:.0f} % fail" if share <= 1 else "that all fail"


def _gain(now: Counts, then: Counts) -> Counts | None:
    """What came in between, None when that is impossible."""
    requests, failures = now.requests - then.requests, now.failures - then.failures
    return Counts(requests=requests, failures=failures) if 0 <= failures <= requests else None


def _least(one: Counts, other: Counts) -> Counts:
    requests = min(one.requests, other.requests)
    return Counts(requests=requests, failures=min(one.failures, other.failures, requests))


def _events(targets: Sequence[TargetStatus], look: Look) -> int:
    """Of the loudest new issue."""
    issues = [issue for target in targets for issue in look.issues.get(target.new_release, ())]
    return max((issue.events for issue in issues), default=0)


def _sampling(target: TargetStatus, look: Look) -> str:
    sampled = look.sampled.get(target.new_release, 1.0)
    return f" (Sentry has {100 * sampled:.3g} % of the requests)" if sampled < 0.995 else ""
