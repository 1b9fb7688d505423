"""What the engine is told at each step: plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from reelback_operator.engine.model.bounds import NARROW, Bounds
from reelback_operator.engine.model.spec import Evidence, MetricCheck, SlowRateCheck
from reelback_operator.engine.model.status import Counts
from reelback_operator.engine.model.workload import Workload


@dataclass(frozen=True, slots=True)
class Latency:
    """The 95th percentile of the durations of so many requests, in seconds."""

    p95: float
    requests: int


@dataclass(frozen=True, slots=True)
class Issue:
    """An issue that Sentry first saw in a certain release, with the events that it had of it in the window."""

    title: str
    url: str
    events: int


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
class Sighting:
    """What Sentry shows of an evidence: events in issues, the spans of one trace, a trace, a function.

    `seconds` is how long it took, of a function how long its thread was profiled, and `share` which part of that it
    took. `services` are a trace's in the order in which they began, `orphans` its spans whose parent is not there.
    `what` says it in words, `url` is where to look.
    """

    count: int = 0
    groups: int = 0
    seconds: float = 0.0
    share: float = 0.0
    services: tuple[str, ...] = ()
    orphans: int = 0
    what: str = ""
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Sentry's answer to a Question, by release unless it says otherwise. A release that is missing was not seen.

    `traffic` has requests and failures in the question's window, `sampled` the share of requests that was sent to
    Sentry where it is below 1, `recounted` the requests in the window that ends earlier, `source` what they were
    counted from. `slow` has requests and slow ones by check, `sessions` sessions and crashed ones, `errors` error
    events. `metrics` has the figure of each check of type Metric by the check's name, unless there was no data, and
    `evidence` what was seen of each that was asked for, by its name.
    """

    traffic: Mapping[str, Counts] = field(default_factory=dict)
    sampled: Mapping[str, float] = field(default_factory=dict)
    recounted: Mapping[str, int] = field(default_factory=dict)
    source: str = "spans"
    latency: Mapping[str, Latency] = field(default_factory=dict)
    slow: Mapping[str, Mapping[str, Counts]] = field(default_factory=dict)
    sessions: Mapping[str, Counts] = field(default_factory=dict)
    errors: Mapping[str, int] = field(default_factory=dict)
    issues: Mapping[str, Sequence[Issue]] = field(default_factory=dict)
    first_failure: Failure | None = None
    metrics: Mapping[str, Measurement] = field(default_factory=dict)
    evidence: Mapping[str, Sequence[Sighting]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Question:
    """What Sentry shall be asked.

    The traffic of `releases` in [start, end), and again in [start, recount) to see whether that has grown. What is
    asked for only where a check needs it: `latency_since` is the start of the window of percentiles, `slow` the
    checks of slow requests, `sessions` and `errors` whether these are counted. `issues_of` are releases whose issues
    are looked for, `first_failure_of` those whose first error event since `since` is. The metrics' windows end at
    `end`. `evidence` is looked for from `since` on. `projects` has the slug of a release's project where it is not the
    operator's.
    """

    start: datetime
    end: datetime
    since: datetime
    releases: tuple[str, ...] = ()
    projects: Mapping[str, str] = field(default_factory=dict)
    recount: datetime | None = None
    latency_since: datetime | None = None
    slow: tuple[SlowRateCheck, ...] = ()
    sessions: bool = False
    errors: bool = False
    issues_of: tuple[str, ...] = ()
    first_failure_of: tuple[str, ...] = ()
    metrics: tuple[MetricCheck, ...] = ()
    evidence: tuple[Evidence, ...] = ()


@dataclass(frozen=True, slots=True)
class Observations:
    """One look at everything: the workloads, and Sentry's answer if it was asked; or why either is missing.

    `asked` is the question that `look` answers. `approved` is the run whose rollback a person has approved.
    `scenario` is the scenario's name; `bounds` is what it may change.
    """

    workloads: Mapping[str, Workload | None] | None
    look: Look | None = None
    asked: Question | None = None
    platform_problem: str = ""
    sentry_problem: str = ""
    generation: int = 1
    approved: str = ""
    scenario: str = ""
    bounds: Bounds = NARROW
