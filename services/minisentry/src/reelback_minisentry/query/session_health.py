"""Sentry's /sessions/: sums and rates of sessions by release, project, environment and status. No I/O.

As at Sentry the smallest interval is an hour, and a window is widened to whole hours.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Any

from reelback_minisentry.query.search import BadQuery, parse
from reelback_minisentry.store import keys
from reelback_minisentry.store.cells import Cell
from reelback_minisentry.store.scope import Window
from reelback_minisentry.timestamps import iso

GROUPS = ("project", "release", "environment", "session.status")
FILTERS = ("project", "release", "environment")
STATUSES = ("healthy", "errored", "crashed", "abnormal")

Tally = Counter[str]
"""Sessions by status, `all` being every one that began."""

FIELDS: dict[str, Callable[[Tally], float | None]] = {
    "sum(session)": lambda tally: tally["all"],
    "crash_rate(session)": lambda tally: tally["crashed"] / tally["all"] if tally["all"] else None,
    "crash_free_rate(session)": lambda tally: 1 - tally["crashed"] / tally["all"] if tally["all"] else None,
}


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


def shape(
    counted: Iterable[tuple[int, Cell]], fields: list[str], group_by: list[str], window: Window, query: str
) -> dict[str, Any]:
    """The answer: a group for each set of values of `group_by`, with totals and an hourly series. Raises BadQuery."""
    for field in fields:
        if field not in FIELDS:
            raise BadQuery(f"field: {field!r} is not one of {', '.join(FIELDS)}")
    for name in group_by:
        if name not in GROUPS:
            raise BadQuery(f"groupBy: {name!r} is not one of {', '.join(GROUPS)}")
    wanted = parse(query, FILTERS)
    plain = [name for name in group_by if name != "session.status"]
    by_status = "session.status" in group_by
    if by_status and fields != ["sum(session)"]:
        raise BadQuery("groupBy: session.status goes with the field sum(session) only")
    hours = list(range(window.start, window.end, keys.HOUR))
    groups: defaultdict[tuple[str, ...], defaultdict[int, Tally]] = defaultdict(lambda: defaultdict(Counter))
    for start, (row, n) in counted:
        if wanted(row):
            _add(groups[tuple(row[name] for name in plain)][start], row["outcome"], n)
    shaped = []
    for values, series in groups.items():
        by = {name: _project(value) if name == "project" else value for name, value in zip(plain, values, strict=True)}
        total: Tally = sum(series.values(), Counter())
        for status in STATUSES if by_status else ("",):

            def pick(tally: Tally, field: str, status: str = status) -> float | None:
                return max(0, tally[status]) if status else FIELDS[field](tally)

            shaped.append(
                {
                    "by": {**by, "session.status": status} if status else by,
                    "totals": {field: pick(total, field) for field in fields},
                    "series": {field: [pick(series[hour], field) for hour in hours] for field in fields},
                }
            )
    times = [iso(hour, "seconds") for hour in hours]
    return {
        "start": iso(window.start, "seconds"),
        "end": iso(window.end, "seconds"),
        "intervals": times,
        "groups": shaped,
        "query": query,
    }


def _project(value: str) -> int | str:
    return int(value) if value.isdigit() else value
