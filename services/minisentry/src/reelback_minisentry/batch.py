"""What several requests add to the store, summed up so that they are written together: no I/O here.

Twenty requests of one second that count the same thing become one increment.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import orjson

from reelback_minisentry import keys
from reelback_minisentry.histogram import bin_of
from reelback_minisentry.keys import SEPARATOR, Cube
from reelback_minisentry.records import Error, Records, Session, SessionCounts, Span


class Series:
    """Bounds the number of counters of an hour: sets of dimensions beyond MAX_SERIES are counted as OTHER."""

    def __init__(self, limit: int = keys.MAX_SERIES) -> None:
        self._limit = limit
        self._hour = 0
        self._seen: set[tuple[str, ...]] = set()

    def bound(self, dimensions: tuple[str, ...], at: float) -> tuple[str, ...]:
        """The dimensions, or as many OTHERs once the hour of `at` has too many."""
        if dimensions in self._seen:
            return dimensions
        if (hour := int(at // keys.HOUR)) > self._hour:
            self._hour, self._seen = hour, set()
        if len(self._seen) >= self._limit:
            return (keys.OTHER,) * len(dimensions)
        self._seen.add(dimensions)
        return dimensions


@dataclass(slots=True)
class IssueUpdate:
    """What a batch adds to one issue: its first and last event, counts by environment and by release."""

    first: Error
    last: Error
    environments: dict[str, tuple[int, Error, Error]]
    releases: dict[str, int]


class Batch:
    """An open batch. `stored` is set when it is written, or when `failed` says why it is not."""

    def __init__(self, series: Series) -> None:
        self.stored = asyncio.Event()
        self.failed = ""
        self.size = 0
        self.bytes = 0
        self.counts: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        self.lifetimes: dict[str, int] = {}
        self.sids: defaultdict[str, set[str]] = defaultdict(set)
        self.events: dict[bytes, float] = {}
        self.issues: dict[int, IssueUpdate] = {}
        self.traces: defaultdict[str, list[bytes]] = defaultdict(list)
        self.trace_scores: dict[str, float] = {}
        self.releases: dict[str, tuple[float, float]] = {}
        self._series = series

    def add(self, records: Records) -> None:
        """Take one request in."""
        self.size += 1
        self.bytes += records.size
        for kind, n in records.items.items():
            self._count(keys.ITEMS, records.now, (kind,), n)
        for pair, n in records.drops.items():
            self._count(keys.DROPS, records.now, pair, n)
        for span in records.spans:
            self._add_span(span, records.now)
        for error in records.errors:
            self._add_error(error, records.now)
        for session in records.sessions:
            self._add_session(session)
            self._add_release(session.release, records.now)
        for group in records.session_counts:
            self._add_sessions(group)
            self._add_release(group.release, records.now)

    def _count(self, cube: Cube, at: float, dimensions: tuple[str, ...], n: int = 1, suffix: str = "") -> None:
        """Count in every resolution. `suffix` is a dimension of few values, which needs no bound."""
        field = SEPARATOR.join(self._series.bound(dimensions, at)) + suffix
        for step in cube.steps:
            key = cube.key(step, at)
            self.counts[key][field] += n
            self.lifetimes[key] = keys.LIFETIME[step]

    def _add_span(self, span: Span, now: float) -> None:
        place = (span.environment, span.project, span.release, span.name if span.segment else "")
        number = bin_of((span.end - span.start) * 1000)
        suffix = f"{SEPARATOR}{span.status}{SEPARATOR}{number}"
        self._count(keys.SPANS, span.end, (*place, "true" if span.segment else "false"), suffix=suffix)
        self._add_release(span.release, now)
        line = {
            "t": "span",
            "id": span.span_id,
            "parent": span.parent_id,
            "segment": span.segment,
            "name": span.name,
            "op": span.op,
            "status": span.status,
            "start": span.start,
            "end": span.end,
            "project": span.project,
            "release": span.release,
            "environment": span.environment,
            "service": span.service,
            "attributes": span.attributes,
        }
        self._add_line(span.trace_id, orjson.dumps(line), now)

    def _add_error(self, error: Error, now: float) -> None:
        place = (error.environment, error.project, error.release, error.transaction, error.level, str(error.issue))
        self._count(keys.ERRORS, error.at, place)
        self._add_release(error.release, now)
        row = {
            "id": error.event_id,
            "timestamp": error.at,
            "project": error.project,
            "release": error.release,
            "environment": error.environment,
            "level": error.level,
            "transaction": error.transaction,
            "trace": error.trace_id,
            "span": error.span_id,
            "title": error.title,
            "culprit": error.culprit,
            "issue": error.issue,
        }
        self.events[orjson.dumps(row)] = error.at
        if error.trace_id:
            self._add_line(error.trace_id, orjson.dumps({"t": "error", **row}), now + keys.ERROR_GRACE)
        self._add_to_issue(error)

    def _add_to_issue(self, error: Error) -> None:
        update = self.issues.get(error.issue)
        if update is None:
            update = self.issues[error.issue] = IssueUpdate(error, error, {}, {})
        else:
            update.first, update.last = _span_of((update.first, update.last, error))
        n, first, last = update.environments.get(error.environment, (0, error, error))
        update.environments[error.environment] = (n + 1, *_span_of((first, last, error)))
        update.releases[error.release] = update.releases.get(error.release, 0) + 1

    def _add_line(self, trace_id: str, line: bytes, score: float) -> None:
        self.traces[trace_id].append(line)
        self.trace_scores[trace_id] = max(score, self.trace_scores.get(trace_id, 0.0))

    def _add_release(self, release: str, at: float) -> None:
        if release:
            first, last = self.releases.get(release, (at, at))
            self.releases[release] = (min(first, at), max(last, at))

    def _add_session(self, session: Session) -> None:
        place = (session.environment, session.project, session.release)
        if session.init:
            self._count(keys.SESSIONS, session.started, place, suffix=SEPARATOR + "started")
        # A crashed session is an errored one, too; sets of ids count a session once, however often it reports.
        if session.outcome:
            series = SEPARATOR.join(self._series.bound(place, session.started))
            for outcome in {session.outcome, "errored"}:
                self.sids[keys.sids(session.started, series, outcome)].add(session.sid)

    def _add_sessions(self, group: SessionCounts) -> None:
        place = (group.environment, group.project, group.release)
        for outcome, n in group.counts.items():
            self._count(keys.SESSIONS, group.started, place, n, SEPARATOR + outcome)


def _span_of(errors: Iterable[Error]) -> tuple[Error, Error]:
    """The earliest and the latest."""
    ordered = sorted(errors, key=lambda error: error.at)
    return ordered[0], ordered[-1]
