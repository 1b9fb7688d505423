"""What Sentry is asked before each step, and in which windows.

Counts are totals since a time before the run, so that what arrives late is still counted, in the look after which it
came. Windows end as long ago as requests are late, as far as that has been measured (`lateness`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from reelback_operator.engine.judging import evidence, lateness
from reelback_operator.engine.model.observations import Question
from reelback_operator.engine.model.spec import CrashFreeSessionsCheck, LatencyCheck, NewIssueCheck, SlowRateCheck, Spec
from reelback_operator.engine.model.status import Phase, Status

# How far back the baseline's history goes.
HISTORY = timedelta(minutes=10)
# Percentiles are of what was served in the last so many seconds: a candidate may become slow late.
LATENCY_WINDOW = timedelta(minutes=1)


def question(spec: Spec, status: Status, now: datetime) -> Question | None:
    """What Sentry shall be asked before the next step; None when that does not depend on Sentry."""
    if status.complete or status.times.started_at is None:
        return None
    # Up to the end of this second: what is counted by the second, as minisentry does, is not left out until the next.
    end = now.replace(microsecond=0) + timedelta(seconds=1) - timedelta(seconds=lateness.allowance(status))
    return _of_a_release(spec, status, end) if spec.release else _without_one(spec, status, end)


def counted_since(status: Status) -> datetime:
    """Where the totals of a run with a release begin."""
    began = status.times.started_at or status.times.applied_at
    if began is None:
        raise ValueError("the run has not begun")
    return began.replace(microsecond=0) - HISTORY


def _of_a_release(spec: Spec, status: Status, end: datetime) -> Question | None:
    old = tuple(target.old_release for target in status.targets)
    new = tuple(target.new_release for target in status.targets)
    projects = _projects(spec, status)
    start, since = counted_since(status), _since(status, end)
    unknown = new if status.times.first_error_at is None else ()
    metrics, recount = spec.analysis.metrics, status.lateness.end
    if status.verdict is None and status.phase in (Phase.PENDING, Phase.ROLLING_OUT, Phase.ANALYZING):
        if not old or status.times.detected_at is not None:
            return None
        analyzing, checks = status.phase == Phase.ANALYZING, spec.analysis.checks
        latency = analyzing and any(isinstance(check, LatencyCheck) for check in checks)
        serving = max(end - LATENCY_WINDOW, status.times.serving_at or end)
        return Question(
            start,
            end,
            since,
            releases=old + new,
            projects=projects,
            recount=recount,
            latency_since=serving.replace(microsecond=0) if latency and serving < end else None,
            slow=tuple(check for check in checks if isinstance(check, SlowRateCheck)),
            sessions=any(isinstance(check, CrashFreeSessionsCheck) for check in checks),
            errors=any(isinstance(check, NewIssueCheck) for check in checks),
            issues_of=new if analyzing or any(isinstance(check, NewIssueCheck) for check in checks) else (),
            first_failure_of=unknown if analyzing else (),
            metrics=metrics if analyzing else (),
        )
    if status.phase == Phase.RECOVERING and status.times.rolled_back_at:
        # The second in which the candidate went away is not the old release's alone.
        first = status.times.rolled_back_at.replace(microsecond=0) + timedelta(seconds=1)
        start = max(first, end - timedelta(seconds=status.window or spec.recovery.healthy_for))
        if end <= start:
            return None
        return Question(start, end, since, releases=old, projects=projects, first_failure_of=unknown, metrics=metrics)
    return None


def _projects(spec: Spec, status: Status) -> dict[str, str]:
    named = {target.name: target.project for target in spec.release.targets if target.project} if spec.release else {}
    pairs = ((target, named[target.name]) for target in status.targets if target.name in named)
    return {release: slug for target, slug in pairs for release in (target.old_release, target.new_release)}


def _since(status: Status, end: datetime) -> datetime:
    """Since when errors are the run's: the clocks that date them may be behind by what makes requests look late."""
    began = status.times.rolling_out_at or end
    return began.replace(microsecond=0) - timedelta(seconds=status.lateness.seconds)


def _without_one(spec: Spec, status: Status, end: datetime) -> Question | None:
    """The metrics alone, and the first error event of a target since a fault was asked for in it."""
    idle = status.phase == Phase.PENDING and bool(spec.load) and not status.load
    if idle or status.phase == Phase.ROLLING_BACK or status.verdict is not None:
        return None
    asked = {fault.release: fault.asked_at for fault in status.faults if fault.asked_at}
    since = min(asked.values()).replace(microsecond=0) if asked else end
    unknown = tuple(asked) if status.times.first_error_at is None else ()
    wanted = evidence.missing(spec, status) if status.phase == Phase.ANALYZING else ()
    if not spec.faults and status.times.started_at:
        since = status.times.started_at.replace(microsecond=0)
    return Question(
        end,
        end,
        since,
        first_failure_of=unknown,
        metrics=spec.analysis.metrics,
        evidence=wanted if since < end else (),
    )
