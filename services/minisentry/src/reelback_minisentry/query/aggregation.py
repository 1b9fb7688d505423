"""Sentry's /events/ and /events-timeseries/ on what was counted: fields, aggregates, grouping, sorting. No I/O.

The input are cells: dimensions, and what was counted under them. What fields and functions there are, and what of the
cells those read, is the dataset's own: counter_datasets.py and metrics_dataset.py.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from reelback_minisentry.query.search import BadQuery, Predicate
from reelback_minisentry.stats.sampling import Confidence
from reelback_minisentry.store.cells import Cell, Row
from reelback_minisentry.store.keys import Cube

Value = str | int | float | None

MAX_FIELDS = 20

CALL = re.compile(r"(\w+)\(([^()]*)\)")
"""A field that is a function: its name and its arguments."""


class Accuracy(NamedTuple):
    """How sure an extrapolated figure is, of how many samples it is made, and the rate at which those were taken."""

    confidence: Confidence
    sample_count: int
    sample_rate: float | None


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function of the cells of one group; `type` and `unit` are Sentry's names in `meta`.

    `only`: which cells it is about, when its arguments say so. Rows are then made of such cells alone. `of_ids`: it is
    about cells of ids, not of counts.
    """

    compute: Callable[[list[Cell], float], Value]
    type: str
    unit: str | None = None
    only: Callable[[Row], bool] | None = None
    accuracy: Callable[[list[Cell]], Accuracy | None] = lambda _: None
    of_ids: bool = False


class Line(NamedTuple):
    """A row of a table: the value of each field, and how sure those of functions are."""

    values: dict[str, Value]
    accuracy: dict[str, Accuracy | None]


class Dataset(Protocol):
    """A dataset of the API. Everything raises BadQuery for what it does not know."""

    @property
    def name(self) -> str:
        """Its name in the API."""

    @property
    def cube(self) -> Cube:
        """The counters it stands in."""

    def field(self, name: str) -> str:
        """The dimension that a plain field shows."""

    def predicate(self, query: str) -> Predicate:
        """The filter of a query."""

    def aggregate(self, name: str) -> Aggregate | None:
        """The aggregate that a field names, None for a plain field."""


def value_of(field: str, raw: str) -> Value:
    """A dimension's value as the API shows it: issue.id is a number there, what was not sent is null."""
    return int(raw) if field == "issue.id" and raw.isdigit() else raw or None


def table(
    cells: Iterable[Cell], fields: list[str], dataset: Dataset, seconds: float, ids: Iterable[Cell] = ()
) -> tuple[list[Line], dict[str, Any]]:
    """The rows that the cells make, a row a group, and `meta` for them. `seconds`: the length of the window.

    `ids` are cells whose values are ids, for functions of those.

    Without fields to group by there is one row, even of nothing. Raises BadQuery for unknown fields.
    """
    functions = {name: dataset.aggregate(name) for name in fields}
    group_by = [name for name, function in functions.items() if function is None]
    dimensions = [dataset.field(name) for name in group_by]
    groups: dict[tuple[str, ...], list[Cell]] = {} if group_by else {(): []}
    for cell in _narrowed(cells, [function for function in functions.values() if function]):
        groups.setdefault(tuple(cell[0][name] for name in dimensions), []).append(cell)
    ids_of: defaultdict[tuple[str, ...], list[Cell]] = defaultdict(list)
    for cell in ids:
        ids_of[tuple(cell[0][name] for name in dimensions)].append(cell)
    rows = []
    for key, members in groups.items():
        line = Line({name: value_of(at, raw) for name, at, raw in zip(group_by, dimensions, key, strict=True)}, {})
        for name, function in functions.items():
            if function:
                only = function.only
                found = ids_of[key] if function.of_ids else members
                asked = found if only is None else [cell for cell in found if only(cell[0])]
                line.values[name] = function.compute(asked, seconds)
                line.accuracy[name] = function.accuracy(asked)
        rows.append(line)
    types = {name: function.type if function else "string" for name, function in functions.items()}
    units = {name: function.unit if function else None for name, function in functions.items()}
    return rows, {"fields": types, "units": units}


def _narrowed(cells: Iterable[Cell], functions: list[Aggregate]) -> Iterable[Cell]:
    """The cells that the functions are about."""
    named = [function.only for function in functions if function.only and not function.of_ids]
    if not named:
        return cells
    if len(named) < len(functions):
        raise BadQuery("field: functions of one metric and functions of all metrics do not go together")
    return (cell for cell in cells if any(only(cell[0]) for only in named))


def sort(rows: list[Line], by: list[str], fields: list[str]) -> None:
    """Order rows in place. `by`: fields, `-` before one for descending, brackets of a call may be left out."""
    for name in reversed(by):
        field = name.removeprefix("-")
        found = next((known for known in fields if field in (known, known.removesuffix("()"))), None)
        if found is None:
            raise BadQuery(f"sort: {field!r} is not among the fields")
        # None sorts last either way, numbers before text.
        rows.sort(key=lambda row, found=found: _order(row.values[found]), reverse=name.startswith("-"))  # type: ignore[misc]


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
    function, now = dataset.aggregate(axis), time.time()
    if function is None:
        raise BadQuery(f"yAxis: {axis!r} is not a function")
    if function.of_ids:
        raise BadQuery(f"yAxis: {axis!r} is counted for a window as a whole")
    points: dict[tuple[Value, ...], dict[int, Line]] = {} if group_by else {(): {}}
    for start, cells in counted.items():
        for line in table(cells, [*group_by, axis], dataset, starts.step)[0]:
            points.setdefault(tuple(line.values[name] for name in group_by), {})[start] = line
    return [
        {
            "values": [
                {
                    "timestamp": start * 1000,
                    "incomplete": start + starts.step > now,
                    **_point(lines.get(start), axis),
                }
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
        for order, (group, lines) in enumerate(points.items())
    ]


def accuracy(lines: Iterable[Line]) -> dict[str, Any]:
    """What `meta` says on lines: everything was looked at, and how sure each function of each is."""
    return {
        "dataScanned": "full",
        "accuracy": {
            "confidence": [
                {name: found and found.confidence for name, found in line.accuracy.items()} for line in lines
            ]
        },
    }


def _point(line: Line | None, axis: str) -> dict[str, Any]:
    """A point's value, 0 where nothing was counted, as at Sentry, and how sure it is."""
    if line is None:
        return {"value": 0}
    accuracy = line.accuracy[axis]
    if accuracy is None:
        return {"value": line.values[axis] or 0}
    confidence, count, rate = accuracy
    return {"value": line.values[axis] or 0, "confidence": confidence, "sampleCount": count, "sampleRate": rate}
