"""Sentry's /events/ and /events-timeseries/ on counters: fields, aggregates, grouping, sorting. No I/O.

The input are cells: the dimensions of a counter and how often it was counted. That is all an aggregate needs, as the
bin of a duration is one of the dimensions.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reelback_minisentry import keys
from reelback_minisentry.histogram import mean, percentile
from reelback_minisentry.keys import Cube
from reelback_minisentry.query import BadQuery, Predicate, parse, requires

Cell = tuple[Mapping[str, str], int]
Value = str | int | float | None

MAX_FIELDS = 20
HEALTHY = ("ok", "cancelled", "unknown")
"""Statuses that failure_rate() does not count as failures, as at Sentry."""

_CALL = re.compile(r"(\w+)\(([^()]*)\)")


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset of the API: its counters, the fields that group and filter, and other names of those."""

    name: str
    cube: Cube
    fields: tuple[str, ...]
    aliases: Mapping[str, str]

    def predicate(self, query: str) -> Predicate:
        """The filter of a query. Raises BadQuery, also for one that asks for spans that are not counted."""
        if self.cube is not keys.SPANS:
            return parse(query, self.fields, self.aliases)
        wanted = parse(query, (*self.fields, "is_transaction"), self.aliases)
        if not requires(query, "is_transaction", "true"):
            raise BadQuery("query: of dataset spans only segments are counted here; add is_transaction:true")
        return lambda row: wanted({**row, "is_transaction": "true"})


SPANS = Dataset(
    "spans", keys.SPANS, keys.SPANS.dimensions[:-1], {"status": "span.status", "trace.status": "span.status"}
)
ERRORS = Dataset("errors", keys.ERRORS, keys.ERRORS.dimensions, {"issue": "issue.id"})
DATASETS = {dataset.name: dataset for dataset in (SPANS, ERRORS)}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function of the cells of one group; `type` and `unit` are Sentry's names in `meta`."""

    compute: Callable[[list[Cell], float], Value]
    type: str
    unit: str | None = None


def total(cells: list[Cell]) -> int:
    """How often all of them were counted."""
    return sum(n for _, n in cells)


def failures(cells: list[Cell]) -> int:
    """How many of these segments failed."""
    return sum(n for row, n in cells if row["span.status"] not in HEALTHY)


def latencies(cells: list[Cell]) -> Counter[int]:
    """The histogram of these segments' durations."""
    bins: Counter[int] = Counter()
    for row, n in cells:
        bins[int(row["bin"])] += n
    return bins


def _failure_rate(cells: list[Cell]) -> float | None:
    n = total(cells)
    return failures(cells) / n if n else None


def _percentile(share: float) -> Aggregate:
    return Aggregate(lambda cells, _: percentile(latencies(cells), share), "duration", "millisecond")


_OF_ALL = {
    "count()": Aggregate(lambda cells, _: total(cells), "integer"),
    "eps()": Aggregate(lambda cells, seconds: total(cells) / seconds, "rate", "1/second"),
    "epm()": Aggregate(lambda cells, seconds: total(cells) * 60 / seconds, "rate", "1/minute"),
}
_OF_SPANS = _OF_ALL | {
    "count(span.duration)": _OF_ALL["count()"],
    "failure_count()": Aggregate(lambda cells, _: failures(cells), "integer"),
    "failure_rate()": Aggregate(lambda cells, _: _failure_rate(cells), "percentage"),
    "avg(span.duration)": Aggregate(lambda cells, _: mean(latencies(cells)), "duration", "millisecond"),
    **{f"p{n}(span.duration)": _percentile(n / 100) for n in (50, 75, 90, 95, 99)},
}


def aggregate(name: str, dataset: Dataset) -> Aggregate | None:
    """The aggregate that a field names, None for a plain field. Raises BadQuery for one that is not known."""
    call = _CALL.fullmatch(name)
    if call is None:
        return None
    function, argument = call[1], call[2].strip()
    if found := (_OF_SPANS if dataset is SPANS else _OF_ALL).get(f"{function}({argument})"):
        return found
    field = dataset.aliases.get(argument, argument)
    if function == "count_unique" and field in dataset.fields:
        return Aggregate(lambda cells, _: len({row[field] for row, _ in cells if row[field]}), "integer")
    raise BadQuery(f"field: unknown function {name!r} of dataset {dataset.name}")


def value_of(field: str, raw: str) -> Value:
    """A dimension's value as the API shows it: issue.id is a number there, what was not sent is null."""
    return int(raw) if field == "issue.id" and raw.isdigit() else raw or None


def table(
    cells: Iterable[Cell], fields: list[str], dataset: Dataset, seconds: float
) -> tuple[list[dict[str, Value]], dict[str, Any]]:
    """The rows that the cells make, a row a group, and `meta` for them. `seconds`: the length of the window.

    Without fields to group by there is one row, even of nothing. Raises BadQuery for unknown fields.
    """
    functions = {name: aggregate(name, dataset) for name in fields}
    group_by = [name for name, function in functions.items() if function is None]
    for name in group_by:
        if dataset.aliases.get(name, name) not in dataset.fields:
            raise BadQuery(f"field: unknown field {name!r} of dataset {dataset.name}")
    groups: dict[tuple[str, ...], list[Cell]] = {} if group_by else {(): []}
    for cell in cells:
        key = tuple(cell[0][dataset.aliases.get(name, name)] for name in group_by)
        groups.setdefault(key, []).append(cell)
    rows = []
    for key, members in groups.items():
        row: dict[str, Value] = {
            name: value_of(dataset.aliases.get(name, name), raw) for name, raw in zip(group_by, key, strict=True)
        }
        row |= {name: function.compute(members, seconds) for name, function in functions.items() if function}
        rows.append(row)
    types = {name: function.type if function else "string" for name, function in functions.items()}
    units = {name: function.unit if function else None for name, function in functions.items()}
    return rows, {"fields": types, "units": units}


def sort(rows: list[dict[str, Value]], by: list[str], fields: list[str]) -> None:
    """Order rows in place. `by`: fields, `-` before one for descending, brackets of a call may be left out."""
    for name in reversed(by):
        field = name.removeprefix("-")
        found = next((known for known in fields if field in (known, known.removesuffix("()"))), None)
        if found is None:
            raise BadQuery(f"sort: {field!r} is not among the fields")
        # None sorts last either way, numbers before text.
        rows.sort(key=lambda row, found=found: _order(row[found]), reverse=name.startswith("-"))  # type: ignore[misc]


def _order(value: Value) -> tuple[bool, float, str]:
    return (
        value is not None,
        value if isinstance(value, (int, float)) else 0.0,
        value if isinstance(value, str) else "",
    )


def timeseries(
    counted: Mapping[int, list[Cell]], axis: str, group_by: list[str], dataset: Dataset, starts: range
) -> list[dict[str, Any]]:
    """The series of /events-timeseries/. `counted`: the cells of each interval, by its start. Raises BadQuery."""
    function, now = aggregate(axis, dataset), time.time()
    if function is None:
        raise BadQuery(f"yAxis: {axis!r} is not a function")
    points: dict[tuple[Value, ...], dict[int, Value]] = {} if group_by else {(): {}}
    for start, cells in counted.items():
        for row in table(cells, [*group_by, axis], dataset, starts.step)[0]:
            points.setdefault(tuple(row[name] for name in group_by), {})[start] = row[axis]
    return [
        {
            "values": [
                {"timestamp": start * 1000, "value": values.get(start) or 0, "incomplete": start + starts.step > now}
                for start in starts
            ],
            "yAxis": axis,
            **({"groupBy": [{"key": k, "value": v} for k, v in zip(group_by, group, strict=True)]} if group_by else {}),
            "meta": {
                "valueType": function.type,
                "valueUnit": function.unit,
                "interval": starts.step * 1000,
                **({"order": order, "isOther": False} if group_by else {}),
            },
        }
        for order, (group, values) in enumerate(points.items())
    ]
