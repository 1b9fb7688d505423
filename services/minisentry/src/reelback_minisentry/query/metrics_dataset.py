"""The dataset tracemetrics: functions of metrics' values, by name, type, unit, release, environment and attributes.

A function names its metric, as avg(value,game.rtp,gauge,ratio), or leaves that to the query: avg(value). As at Sentry
`-` is any unit, and `none` is none.
"""

from __future__ import annotations

from collections.abc import Callable

from reelback_minisentry.query.aggregation import CALL, Aggregate, Value
from reelback_minisentry.query.search import BadQuery, Predicate, parse, plain
from reelback_minisentry.stats.metric_stats import Stats, merged
from reelback_minisentry.store import keys
from reelback_minisentry.store.cells import Cell, Row
from reelback_minisentry.store.keys import Cube
from reelback_minisentry.store.records import METRIC_TYPES

FIELDS = ("environment", "project", "release", "metric.name", "metric.type", "metric.unit")
"""Beside these every attribute is a field by its name; which ones there are is up to the senders."""

_NOT_KEPT = ("value", "timestamp", "timestamp_precise", "id", "trace", "span_id", "attributes", "bin")
"""Fields of single samples."""

_DURATIONS = ("nanosecond", "microsecond", "millisecond", "second", "minute", "hour", "day", "week")

_OF_VALUES: dict[str, Callable[[Stats], float | None]] = {
    "sum": lambda stats: stats.total if stats.count else None,
    "avg": lambda stats: stats.mean,
    "min": lambda stats: stats.low if stats.count else None,
    "max": lambda stats: stats.high if stats.count else None,
}
_PERCENTILES = {f"p{n}": n / 100 for n in (50, 75, 90, 95, 99)}
_RATES = {"per_second": 1, "per_minute": 60}
FUNCTIONS = ("count", "count_unique", *_OF_VALUES, *_PERCENTILES, *_RATES)


class TraceMetrics:
    """The dataset."""

    name = "tracemetrics"
    cube: Cube = keys.METRICS

    def field(self, name: str) -> str:
        """The dimension or attribute of a field. Raises BadQuery."""
        found = plain(name)
        if found in _NOT_KEPT:
            raise BadQuery(f"field: {name!r} of single samples is not kept; ask for a function, as avg(value)")
        return found

    def predicate(self, query: str) -> Predicate:
        """The filter of a query. Raises BadQuery."""
        return parse(query, _Named())

    def aggregate(self, name: str) -> Aggregate | None:
        """The aggregate that a field names, None for a plain field. Raises BadQuery for one that is not known."""
        call = CALL.fullmatch(name)
        if call is None:
            return None
        function = call[1]
        if function not in FUNCTIONS:
            raise BadQuery(f"field: {name!r}: {function} is not one of {', '.join(FUNCTIONS)}")
        of, *metric = (part.strip() for part in call[2].split(","))
        only = _only(name, metric)
        kind, unit = (metric[1], metric[2] if metric[2] not in ("-", "none") else None) if metric else ("", None)
        if function == "count_unique":
            field = self.field(of)
            return Aggregate(
                lambda cells, _: len({row[field] for row, _ in cells if row[field]}), "integer", None, only
            )
        if of != "value" and (of != "metric.name" or function not in ("count", *_RATES)):
            raise BadQuery(f"field: {name!r}: the first argument is value, as in {function}(value)")
        if function == "count":
            return Aggregate(lambda cells, _: _whole(cells).count, "integer", None, only)
        if function in _RATES:
            return _rate(function, kind, only)
        if function in _PERCENTILES and kind not in ("", "distribution"):
            raise BadQuery(f"field: {name!r}: percentiles are of distributions, this is a {kind}")
        share, value = _PERCENTILES.get(function, 0.0), _OF_VALUES.get(function)
        return Aggregate(
            lambda cells, _: value(_whole(cells)) if value else _whole(cells).percentile(share),
            "duration" if unit in _DURATIONS else "number",
            unit,
            only,
        )


TRACEMETRICS = TraceMetrics()


class _Named:
    """The names that a query may filter by: all but those of single samples."""

    def __contains__(self, name: object) -> bool:
        return name not in _NOT_KEPT


def _whole(cells: list[Cell]) -> Stats:
    return merged(stats for _, stats in cells)


def _only(name: str, metric: list[str]) -> Callable[[Row], bool] | None:
    """Which rows are of the metric that a function's arguments after the first name; None when they name none."""
    if not metric:
        return None
    if len(metric) != 3:
        raise BadQuery(f"field: {name!r}: after the first argument come the metric's name, its type and its unit")
    named, kind, unit = metric
    if kind not in METRIC_TYPES:
        raise BadQuery(f"field: {name!r}: {kind!r} is no type of a metric; types are {', '.join(METRIC_TYPES)}")
    wanted = {"metric.name": named, "metric.type": kind}
    if unit != "-":
        wanted["metric.unit"] = "" if unit == "none" else unit
    return lambda row: all(row[field] == value for field, value in wanted.items())


def _rate(function: str, kind: str, only: Callable[[Row], bool] | None) -> Aggregate:
    """A counter's sum, or the samples of anything else, by the second or minute."""

    def compute(cells: list[Cell], seconds: float) -> Value:
        stats = _whole(cells)
        return (stats.total if kind == "counter" else stats.count) * _RATES[function] / seconds

    return Aggregate(compute, "rate", "1/second" if function == "per_second" else "1/minute", only)
