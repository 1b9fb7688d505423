"""Sentry's /sessions/: sums and rates of sessions and their users by release, project, environment and status. No I/O.

As at Sentry sessions stand in the hour they began in, so the smallest interval is an hour, and a window is widened to
whole intervals: what happened in some minutes cannot be asked for.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reelback_minisentry.query.search import BadQuery, Predicate, parse
from reelback_minisentry.store import keys
from reelback_minisentry.store.cells import Cell
from reelback_minisentry.store.records import FAILED_SESSIONS
from reelback_minisentry.store.scope import Window
from reelback_minisentry.timestamps import iso

GROUPS = ("project", "release", "environment", "session.status")
FILTERS = ("project", "release", "environment")
STATUSES = ("healthy", "errored", *FAILED_SESSIONS)
DAY = 86_400

_OUTCOMES = ("", "errored", *FAILED_SESSIONS)
"""Of whose users there are sets; "" is any."""

Tally = Counter[str]
"""Sessions or users by status, `all` being every one."""

Sets = tuple[str, ...]
"""Keys of sets of users; who is in several of them is one."""


def _share(status: str) -> Callable[[Tally], float | None]:
    return lambda tally: tally[status] / tally["all"] if tally["all"] else None


def _rest(tally: Tally) -> float | None:
    return 1 - tally["crashed"] / tally["all"] if tally["all"] else None


_OF: dict[str, Callable[[Tally], float | None]] = {
    "crash_rate": _share("crashed"),
    "crash_free_rate": _rest,
    **{f"{status}_rate": _share(status) for status in ("errored", "abnormal", "unhandled")},
}
FIELDS: dict[str, tuple[str, Callable[[Tally], float | None]]] = {
    "sum(session)": ("session", lambda tally: tally["all"]),
    "count_unique(user)": ("user", lambda tally: tally["all"]),
    **{f"{name}({of})": (of, value) for name, value in _OF.items() for of in ("session", "user")},
}
"""What each field is about, and its value. Only the numbers, not the rates, go by status, too."""


def _add(tally: Tally, outcome: str, n: int) -> None:
    """Count one stored counter: of aggregates (exited, errored, ...) or of single sessions (started, sid:...)."""
    kind, _, name = outcome.rpartition(":")
    if kind == "sid":  # it began as "started", which made it healthy
        tally[name] += n
        tally["healthy"] -= n
        return
    tally["all"] += n
    tally["healthy" if name in ("exited", "started") else name] += n


def tally(cells: Iterable[Cell]) -> Tally:
    """Sessions by status."""
    total: Tally = Counter()
    for row, n in cells:
        _add(total, row["outcome"], n)
    return total


@dataclass(slots=True)
class Bucket:
    """Sessions of one group in one interval, and the hours and series in which their users stand."""

    sessions: Tally = field(default_factory=Counter)
    series: set[tuple[int, str]] = field(default_factory=set)

    def users(self, outcome: str) -> Sets:
        """The sets of the users with sessions of an outcome; "" is any."""
        return tuple(sorted(keys.users(hour, series, outcome) for hour, series in self.series))


Groups = Mapping[tuple[str, ...], Mapping[int, Bucket]]
"""By the values of the fields to group by, and by the start of an interval."""


@dataclass(frozen=True)
class Question:
    """What is asked for: fields, groups, a filter, and a window in whole intervals."""

    fields: list[str]
    group_by: list[str]
    query: str
    window: Window
    interval: int

    def __post_init__(self) -> None:
        """Raise BadQuery for what Sentry refuses."""
        if not self.fields:
            raise BadQuery("field: is missing, as in field=sum(session)")
        for name in self.fields:
            if name not in FIELDS:
                raise BadQuery(f"field: {name!r} is not one of {', '.join(FIELDS)}")
        for name in self.group_by:
            if name not in GROUPS:
                raise BadQuery(f"groupBy: {name!r} is not one of {', '.join(GROUPS)}")
        if "session.status" in self.group_by and any("rate" in name for name in self.fields):
            raise BadQuery("groupBy: rates do not go by session.status")
        if self.interval < keys.HOUR or self.interval % keys.HOUR or DAY % self.interval:
            raise BadQuery("interval: a multiple of 1h, the minimum, that divides a day")

    @property
    def wanted(self) -> Predicate:
        """The filter. Raises BadQuery, for stars as well."""
        return parse(self.query, FILTERS, stars=False)

    @property
    def starts(self) -> range:
        """The starts of the intervals: the first holds the start of the window, the last its end."""
        first = self.window.start // self.interval * self.interval
        return range(first, -(-self.window.end // self.interval) * self.interval, self.interval)

    @property
    def hours(self) -> Window:
        """The window that the intervals span."""
        return Window(self.starts.start, self.starts.stop, keys.HOUR)

    def grouped(self, counted: Iterable[tuple[int, Cell]]) -> Groups:
        """The sessions of each hour, in groups."""
        plain = [name for name in self.group_by if name != "session.status"]
        groups: defaultdict[tuple[str, ...], defaultdict[int, Bucket]] = defaultdict(lambda: defaultdict(Bucket))
        if not plain:
            groups[()][self.starts.start] = Bucket()  # without groups there is one, even of nothing
        wanted = self.wanted
        for hour, (row, n) in counted:
            if wanted(row):
                bucket = groups[tuple(row[name] for name in plain)][hour // self.interval * self.interval]
                _add(bucket.sessions, row["outcome"], n)
                if row["outcome"] == "started":
                    bucket.series.add((hour, keys.series(*(row[name] for name in keys.SESSIONS.dimensions[:-1]))))
        return groups

    def user_sets(self, groups: Groups) -> set[Sets]:
        """The sets of users whose sizes the answer needs."""
        if all(FIELDS[name][0] == "session" for name in self.fields):
            return set()
        buckets = [bucket for series in groups.values() for bucket in (*series.values(), _whole(series))]
        return {bucket.users(outcome) for bucket in buckets for outcome in _OUTCOMES}

    def shape(self, groups: Groups, sizes: Mapping[Sets, int]) -> dict[str, Any]:
        """The answer: a group for each set of values, with totals and a series."""
        plain = [name for name in self.group_by if name != "session.status"]
        shaped: list[dict[str, Any]] = []
        for values, series in groups.items():
            by: dict[str, int | str] = {
                name: int(value) if name == "project" and value.isdigit() else value
                for name, value in zip(plain, values, strict=True)
            }
            total = _whole(series)
            for status in STATUSES if "session.status" in self.group_by else ("",):

                def figure(bucket: Bucket, name: str, status: str = status) -> float | None:
                    of, value = FIELDS[name]
                    tally = bucket.sessions if of == "session" else _users(bucket, sizes)
                    return max(0, tally[status]) if status else value(tally)

                shaped.append(
                    {
                        "by": {**by, "session.status": status} if status else by,
                        "totals": {name: figure(total, name) for name in self.fields},
                        "series": {
                            name: [figure(series.get(start, _NOTHING), name) for start in self.starts]
                            for name in self.fields
                        },
                    }
                )
        return {
            "start": iso(self.starts.start, "seconds"),
            "end": iso(self.starts.stop, "seconds"),
            "intervals": [iso(start, "seconds") for start in self.starts],
            "groups": shaped,
            "query": self.query,
        }


_NOTHING = Bucket()


def _whole(series: Mapping[int, Bucket]) -> Bucket:
    whole = Bucket()
    for bucket in series.values():
        whole.sessions.update(bucket.sessions)
        whole.series |= bucket.series
    return whole


def _users(bucket: Bucket, sizes: Mapping[Sets, int]) -> Tally:
    """Users by status: whoever had a session that failed is not one of those that only had errors."""
    count = {outcome: sizes.get(bucket.users(outcome), 0) for outcome in _OUTCOMES}
    errored = max(0, count["errored"] - sum(count[outcome] for outcome in FAILED_SESSIONS))
    healthy = max(0, count[""] - count["errored"])
    return Counter(count | {"all": count[""], "errored": errored, "healthy": healthy})
