"""What a request brought, in the terms of this store: spans, errors, sessions and so on, and bare counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Literal, NamedTuple

Scalars = dict[str, str | int | float | bool]

TraceLine = list[dict[str, Any]] | dict[str, Any]
"""What one request brought of a trace: its spans, in Sentry's form or in OTLP's, or one error."""

Kind = Literal["server", "browser"]
"""Who sends: a server of ours, or a browser, by whose word nothing is counted but of the browser's own releases."""

FAILED_SESSIONS = ("crashed", "abnormal", "unhandled")
"""Outcomes of sessions that are errored ones, too. Browsers' are unhandled, not crashed, since version 11 of the SDK."""

METRIC_TYPES = ("counter", "gauge", "distribution")

VITALS = {
    **{f"browser.web_vital.{name}.value": "millisecond" for name in ("lcp", "inp", "fcp", "fp", "ttfb")},
    "browser.web_vital.cls.value": "",
}
"""Attributes of spans in which browsers say how a page loads and feels, and their units. Each is a metric, too."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where records come from: the first dimensions of every counter."""

    environment: str
    project: str
    release: str


@dataclass(slots=True)
class Span:
    """A unit of work. `segment`: the first span of its trace in its service, one request. Times in s since 1970.

    `status` is "ok" or the name of a failure; `attributes` are scalars, as text or number, capped. `inside` are the
    spans that a transaction brought with it, as they came. Of requests like this one its sender kept `sample_rate`.
    `user` is the id of whoever asked, "" when it is not said.
    """

    trace_id: str
    span_id: str
    parent_id: str
    segment: bool
    name: str
    op: str
    status: str
    start: float
    end: float
    sample_rate: float
    user: str
    origin: Origin
    service: str
    attributes: Scalars
    inside: list[dict[str, Any]] = field(default_factory=list)


class Segment(NamedTuple):
    """What is counted of a segment. `trace` and `user` are hashes, as stats/distinct.py counts; no user is None."""

    origin: Origin
    name: str
    status: str
    start: float
    end: float
    sample_rate: float
    trace: int
    user: int | None


@dataclass(slots=True)
class Error:
    """An event of the errors dataset. `issue` is the number of its group; `event` is the event as it came.

    `user` is a hash of whoever met it, "" when it is not said.
    """

    event_id: str
    at: float
    origin: Origin
    level: str
    transaction: str
    trace_id: str
    span_id: str
    user: str
    platform: str
    title: str
    culprit: str
    handled: bool
    metadata: dict[str, str]
    issue: int
    tags: dict[str, str]
    event: dict[str, Any]

    @property
    def row(self) -> dict[str, object]:
        """What is kept of every error, as lists show it."""
        return {
            "id": self.event_id,
            "timestamp": self.at,
            "origin": self.origin,
            "level": self.level,
            "transaction": self.transaction,
            "trace": self.trace_id,
            "span": self.span_id,
            "user": self.user,
            "title": self.title,
            "culprit": self.culprit,
            "type": self.metadata.get("type", ""),
            "tags": self.tags,
        }


@dataclass(slots=True)
class Session:
    """One update of one session; `outcome` is "" while it is healthy, else errored or one of FAILED_SESSIONS.

    `user` is the id of whoever's session it is, "" when it is not said.
    """

    sid: str
    user: str
    started: float
    origin: Origin
    init: bool
    outcome: str


@dataclass(slots=True)
class SessionCounts:
    """Finished sessions of one minute: how many of each outcome (exited, errored, or one of FAILED_SESSIONS)."""

    started: float
    origin: Origin
    counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of a metric. `type` is counter, gauge or distribution; `attributes` are its tags, as JSON or ""."""

    name: str
    type: str
    unit: str
    value: float
    at: float
    origin: Origin
    attributes: str


class Function(NamedTuple):
    """A function of a profile; `is_application`: of the service's own code."""

    name: str
    package: str
    is_application: bool


class FunctionTime(NamedTuple):
    """What a function took in one thread: how often it was found begun, microseconds in itself and in its callees."""

    function: Function
    thread: str
    calls: int
    own: int
    callees: int


@dataclass(frozen=True, slots=True)
class Profile:
    """A stretch of one process, which ended at `at`."""

    at: float
    origin: Origin
    functions: list[FunctionTime]


@dataclass(slots=True)
class ReplaySegment:
    """Some seconds of a replay: what is kept of its event, and the recording, as it came. No recording is b""."""

    replay_id: str
    number: int
    origin: Origin
    about: dict[str, Any]
    recording: bytes


@dataclass(slots=True)
class Feedback:
    """What somebody says. `about`: what is kept of it."""

    feedback_id: str
    origin: Origin
    about: dict[str, Any]


@dataclass(slots=True)
class Attachment:
    """A file that came with an event. `about`: its name and so on."""

    event_id: str
    about: dict[str, Any]
    content: bytes


@dataclass(slots=True)
class Records:
    """All of one request of `size` bytes that came at `now`.

    Spans come either whole, in `spans`, or as what of them is counted and what is stored: `segments` and `lines`, each
    a trace's id and what is added to it.
    `items` counts by type, `drops` by (reason, category): what an SDK says it threw away.
    """

    now: float
    size: int = 0
    kind: Kind = "server"
    spans: list[Span] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    lines: list[tuple[str, bytes]] = field(default_factory=list)
    errors: list[Error] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    session_counts: list[SessionCounts] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    profiles: list[Profile] = field(default_factory=list)
    replays: list[ReplaySegment] = field(default_factory=list)
    feedback: list[Feedback] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    items: Counter[str] = field(default_factory=Counter)
    drops: Counter[tuple[str, str]] = field(default_factory=Counter)

    def releases(self) -> Iterator[str]:
        """The release of every record that names one."""
        groups = (
            self.spans,
            self.segments,
            self.errors,
            self.sessions,
            self.session_counts,
            self.samples,
            self.profiles,
            self.replays,
            self.feedback,
        )
        for record in chain[Any](*groups):
            yield record.origin.release
