"""What several requests add to the store, summed up so that they are written together: no I/O here.

Twenty requests of one second that count the same thing become one increment.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

import orjson

from reelback_minisentry.stats import distinct, metric_stats, sampling
from reelback_minisentry.stats.histogram import bin_of, value_bin
from reelback_minisentry.stats.metric_stats import Stats
from reelback_minisentry.store import keys
from reelback_minisentry.store.cardinality import Room
from reelback_minisentry.store.keys import SEPARATOR, Cube
from reelback_minisentry.store.records import Error, Kind, Origin, Profile, Records, Sample, Segment, Session, Span


@dataclass(slots=True)
class IssueUpdate:
    """What a batch adds to one issue: its first and last event, counts by environment and by release."""

    first: Error
    last: Error
    environments: dict[str, tuple[int, Error, Error]]
    releases: dict[str, int]


Fields = defaultdict[str, int]

Ids = tuple[set[int], set[int]]
"""Hashes of traces and of users."""


_OTHERS = keys.OTHER + SEPARATOR


def _no_ids() -> Ids:
    return set(), set()


class Batch:
    """An open batch. `stored` is set when it is written, or when `failed` says why it is not."""

    def __init__(self, rooms: Mapping[Kind, Room]) -> None:
        self.stored = asyncio.Event()
        self.failed = ""
        self.size = 0
        self.bytes = 0
        self.sids: defaultdict[str, set[str]] = defaultdict(set)
        self.users: defaultdict[str, set[str]] = defaultdict(set)
        self.events: dict[bytes, float] = {}
        self.issues: dict[int, IssueUpdate] = {}
        self.traces: dict[str, bytes] = {}
        self.trace_scores: dict[str, float] = {}
        self.releases: dict[str, tuple[float, float]] = {}
        self.projects: set[str] = set()
        self._counts: defaultdict[tuple[Cube, int], Fields] = defaultdict(lambda: defaultdict(int))
        self._rooms = rooms
        self._room = rooms["server"]
        self._stats: defaultdict[int, dict[str, Stats]] = defaultdict(dict)
        self._ids: defaultdict[int, dict[tuple[str, ...], Ids]] = defaultdict(lambda: defaultdict(_no_ids))

    def add(self, records: Records) -> None:
        """Take one request in."""
        self.size += 1
        self.bytes += records.size
        self._room = self._rooms[records.kind]
        now = records.now
        for kind, n in records.items.items():
            self._count(keys.ITEMS, now, (kind,), "", n)
        for (reason, category), n in records.drops.items():
            self._count(keys.DROPS, now, (reason, category), "", n)
        for trace_id, spans in groupby(records.spans, key=attrgetter("trace_id")):
            self._add_spans(trace_id, list(spans), now)
        for segment in records.segments:
            self._add_segment(segment, now)
        for trace_id, line in records.lines:
            self._add_line(trace_id, line, now)
        for error in records.errors:
            self._add_error(error, now)
        for session in records.sessions:
            self._add_session(session)
            self._add_origin(session.origin, now)
        for group in records.session_counts:
            for outcome, n in group.counts.items():
                self._count(keys.SESSIONS, group.started, _place(group.origin), SEPARATOR + outcome, n)
            self._add_origin(group.origin, now)
        for sample in records.samples:
            self._add_sample(sample)
            self._add_origin(sample.origin, now)
        for profile in records.profiles:
            self._add_profile(profile)
            self._add_origin(profile.origin, now)

    def counters(self) -> Iterator[tuple[str, int, Fields]]:
        """What to add to the counters: (key, its lifetime in seconds, field -> count), in every resolution."""
        coarse: defaultdict[str, Fields] = defaultdict(lambda: defaultdict(int))
        for (cube, at), fields in self._counts.items():
            if cube.finest == keys.SECOND:
                yield cube.key(keys.SECOND, at), keys.LIFETIME[keys.SECOND], fields
            hour = coarse[cube.key(keys.HOUR, at)]
            for field, n in fields.items():
                hour[field] += n
        for key, fields in coarse.items():
            yield key, keys.LIFETIME[keys.HOUR], fields

    def stats(self) -> Iterator[tuple[str, int, dict[str, Stats]]]:
        """What to merge into the stats of metrics: (key, its lifetime in seconds, field -> stats), likewise."""
        coarse: defaultdict[str, dict[str, Stats]] = defaultdict(dict)
        for at, fields in self._stats.items():
            yield keys.METRICS.key(keys.SECOND, at), keys.LIFETIME[keys.SECOND], fields
            hour = coarse[keys.METRICS.key(keys.HOUR, at)]
            for field, one in fields.items():
                hour.setdefault(field, Stats()).add(one)
        for key, fields in coarse.items():
            yield key, keys.LIFETIME[keys.HOUR], fields

    def sketches(self) -> Iterator[tuple[str, int, dict[str, bytes]]]:
        """What to merge into the sketches of ids: (key, its lifetime in seconds, field -> sketch)."""
        for at, series in self._ids.items():
            found = {
                SEPARATOR.join((*place, of)): distinct.packed(hashes)
                for place, ids in series.items()
                for of, hashes in zip(("trace", "user"), ids, strict=True)
                if hashes
            }
            yield keys.IDS.key(keys.SECOND, at), keys.LIFETIME[keys.SECOND], found

    def _field(self, dimensions: tuple[str, ...], suffix: str, at: float) -> str:
        """A field. `suffix` are the last dimensions, of few values: it stays when there is no room for the rest."""
        field = SEPARATOR.join(dimensions) + suffix
        if self._room.fields.take(field, at):
            return field
        return SEPARATOR.join((keys.OTHER,) * len(dimensions)) + suffix

    def _count(self, cube: Cube, at: float, dimensions: tuple[str, ...], suffix: str = "", n: int = 1) -> None:
        self._counts[cube, int(at)][self._field(dimensions, suffix, at)] += n

    def _add_spans(self, trace_id: str, spans: list[Span], now: float) -> None:
        for span in spans:
            if span.segment:
                self._add_segment(_segment(span), now)
        self._add_line(trace_id, orjson.dumps(spans), now)

    def _add_segment(self, segment: Segment, now: float) -> None:
        place, second = _place(segment.origin), int(segment.end)
        named = (*place, segment.name, sampling.named(segment.sample_rate))
        duration = bin_of((segment.end - segment.start) * 1000)
        field = self._field(named, f"{SEPARATOR}{segment.status}{SEPARATOR}{duration}", segment.end)
        self._counts[keys.SPANS, second][field] += 1
        if field.startswith(_OTHERS):
            place = (keys.OTHER,) * len(place)
        traces, users = self._ids[second][*place, segment.status]
        traces.add(segment.trace)
        if segment.user is not None:
            users.add(segment.user)
        self._add_origin(segment.origin, now)

    def _add_error(self, error: Error, now: float) -> None:
        place = (*_place(error.origin), error.transaction, error.level, str(error.issue))
        self._count(keys.ERRORS, error.at, place)
        self._add_origin(error.origin, now)
        line = orjson.dumps({**error.row, "issue": error.issue})
        self.events[line] = error.at
        if error.trace_id:
            self._add_line(error.trace_id, line, now + keys.ERROR_GRACE)
        self._add_to_issue(error)

    def _add_to_issue(self, error: Error) -> None:
        environment, release = error.origin.environment, error.origin.release
        update = self.issues.get(error.issue)
        if update is None:
            update = self.issues[error.issue] = IssueUpdate(error, error, {}, {})
        else:
            update.first, update.last = _ends(update.first, update.last, error)
        n, first, last = update.environments.get(environment, (0, error, error))
        update.environments[environment] = (n + 1, *_ends(first, last, error))
        update.releases[release] = update.releases.get(release, 0) + 1

    def _add_line(self, trace_id: str, line: bytes, score: float) -> None:
        self.traces[trace_id] = self.traces.get(trace_id, b"") + line + b"\n"
        self.trace_scores[trace_id] = max(score, self.trace_scores.get(trace_id, 0.0))

    def _add_origin(self, origin: Origin, now: float) -> None:
        self.projects.add(origin.project)
        # A browser's word makes no release: there is an end to how many are kept, and servers' are among them.
        if origin.release and self._room is self._rooms["server"]:
            first, _ = self.releases.get(origin.release, (now, now))
            self.releases[origin.release] = (first, now)

    def _add_sample(self, sample: Sample) -> None:
        metric = (*_place(sample.origin), sample.name, sample.type, sample.unit)
        field = SEPARATOR.join(self._room.metrics.bound(metric, sample.attributes, sample.at)) + SEPARATOR
        second = self._stats[int(sample.at)]
        second.setdefault(field, Stats()).add(metric_stats.of_sample(sample.value, sample.at))
        if sample.type == "distribution":
            name = f"{field}{value_bin(sample.value)}"
            if self._room.fields.take(name, sample.at):  # else its sums are right, and its percentiles of fewer samples
                self._counts[keys.METRICS, int(sample.at)][name] += 1

    def _add_profile(self, profile: Profile) -> None:
        counts = self._counts[keys.PROFILES, int(profile.at)]
        for took in profile.functions:
            function = took.function
            named = (function.name, function.package, "1" if function.is_application else "0", took.thread)
            series = SEPARATOR.join((*_place(profile.origin), *named))
            if not self._room.profiles.take(series, profile.at):
                series = SEPARATOR.join((keys.OTHER,) * (len(keys.PROFILES.dimensions) - 1))
            for of, n in (("calls", took.calls), ("self", took.own), ("callees", took.callees)):
                if n:
                    counts[f"{series}{SEPARATOR}{of}"] += n

    def _add_session(self, session: Session) -> None:
        place, at = _place(session.origin), session.started
        # Its sets are read where its series has begun a session: all of it is counted under OTHER, or nothing.
        begun = f"{SEPARATOR}started"
        if not self._room.sessions.take(keys.series(*place), at) or self._field(place, begun, at).startswith(_OTHERS):
            place = (keys.OTHER,) * len(place)
        if session.init:
            self._count(keys.SESSIONS, at, place, begun)
        # A crashed session is an errored one, too; sets of ids count a session once, however often it reports.
        outcomes = {session.outcome, "errored"} if session.outcome else set()
        series = keys.series(*place)
        sets = [keys.sids(at, series, outcome) for outcome in sorted(outcomes)]
        if all(self._room.session_ids.take(key + session.sid, at) for key in sets):
            for key in sets:
                self.sids[key].add(session.sid)
        else:  # no failure is lost, though each report of this one counts
            self._count(keys.SESSIONS, at, place, f"{SEPARATOR}sid:{session.outcome}")
        for outcome in {"", *outcomes} if session.user else ():
            self.users[keys.users(at, series, outcome)].add(session.user)


def _segment(span: Span) -> Segment:
    return Segment(
        span.origin,
        span.name,
        span.status,
        span.start,
        span.end,
        span.sample_rate,
        int(span.trace_id[-8:], 16),
        distinct.hashed(span.user) if span.user else None,
    )


def _place(origin: Origin) -> tuple[str, ...]:
    return origin.environment, origin.project, origin.release


def _ends(first: Error, last: Error, error: Error) -> tuple[Error, Error]:
    """The earliest and the latest of an issue, with one event more."""
    return (error if error.at < first.at else first, error if error.at >= last.at else last)
