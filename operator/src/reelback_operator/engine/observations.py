"""What the engine is told at each step, and what it wants to be told: plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from reelback_operator.engine.spec import MetricCheck, NewIssueCheck, Spec
from reelback_operator.engine.status import Counts, Phase, Status
from reelback_operator.engine.workload import Workload

# How far back the baseline's history goes.
HISTORY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Traffic:
    """What a release served in a window; `p95` is its 95th percentile of duration in seconds, if anyone knows."""

    counts: Counts = field(default_factory=Counts)
    p95: float | None = None


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue that Sentry first saw in a certain release, with as many events as it has."""

    title: str
    url: str
    events: int
    first_seen: datetime


@dataclass(frozen=True, slots=True)
class Failure:
    """An error event."""

    at: datetime
    trace_url: str | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """A figure of the platform's own in a window, and how often it was sent in it, at least once."""

    value: float
    samples: int


@dataclass(frozen=True, slots=True)
class Look:
    """Sentry's answer to a Question. `source` is what requests and failures were counted from.

    `metrics` has the figure of each check of type Metric by the check's name, unless there was no data.
    """

    traffic: Mapping[str, Traffic]
    issues: Mapping[str, Sequence[Issue]] = field(default_factory=dict)
    first_failure: Failure | None = None
    source: str = "spans"
    metrics: Mapping[str, Measurement] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What Sentry shall be asked: the traffic of releases in [start, end), and what went wrong since `since`.

    The metrics' windows end at `end`.
    """

    releases: tuple[str, ...]
    start: datetime
    end: datetime
    since: datetime
    issues_of: tuple[str, ...] = ()
    first_failure_of: tuple[str, ...] = ()
    metrics: tuple[MetricCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class Observations:
    """One look at everything: the workloads, and Sentry's answer if it was asked; or why either is missing."""

    workloads: Mapping[str, Workload | None] | None
    look: Look | None = None
    platform_problem: str = ""
    sentry_problem: str = ""
    generation: int = 1
    approved: bool = False


def question(spec: Spec, status: Status, now: datetime) -> Question | None:
    """What Sentry shall be asked before the next step; None when that does not depend on Sentry."""
    end = now.replace(microsecond=0)
    if status.complete or status.times.applied_at is None:
        return None
    since = status.times.applied_at.replace(microsecond=0)
    return _of_a_release(spec, status, since, end) if spec.release else _without_one(spec, status, since, end)


def _of_a_release(spec: Spec, status: Status, since: datetime, end: datetime) -> Question | None:
    old = tuple(target.old_release for target in status.targets)
    new = tuple(target.new_release for target in status.targets)
    times, metrics = status.times, spec.analysis.metrics
    if not old:
        return None
    unknown = new if times.first_error_at is None else ()
    if status.phase == Phase.PENDING:
        return Question(old, end - HISTORY, end, since)
    if status.phase == Phase.ANALYZING and times.serving_at and status.verdict is None:
        issues = any(isinstance(check, NewIssueCheck) for check in spec.analysis.checks)
        start = times.serving_at.replace(microsecond=0)
        return Question(old + new, start, end, since, new if issues else (), unknown, metrics) if end > start else None
    if status.phase == Phase.RECOVERING and times.rolled_back_at:
        # The second in which the candidate went away is not the old release's alone.
        first = times.rolled_back_at.replace(microsecond=0) + timedelta(seconds=1)
        start = max(first, end - timedelta(seconds=spec.recovery.healthy_for))
        return Question(old, start, end, since, (), unknown, metrics) if end > start else None
    return None


def _without_one(spec: Spec, status: Status, since: datetime, end: datetime) -> Question | None:
    """The metrics alone, and the first error event of a target since a fault was asked for in it."""
    idle = status.phase == Phase.PENDING and bool(spec.load) and not status.load
    if idle or status.phase == Phase.ROLLING_BACK or status.verdict is not None:
        return None
    asked = {fault.release: fault.asked_at for fault in status.faults if fault.asked_at}
    if asked:
        since = min(asked.values()).replace(microsecond=0)
    unknown = tuple(asked) if status.times.first_error_at is None else ()
    return Question((), end, end, since, first_failure_of=unknown, metrics=spec.analysis.metrics)
