"""Figures of segments: counts, rates and durations, extrapolated where senders sample or of what was counted alone.

What is null is so at Sentry, too, where it follows from ClickHouse: an extrapolated number is null when nothing was
counted, a plain one only when its group holds nothing at all. So an extrapolated failure rate of null may mean that no
request failed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from reelback_minisentry.query.aggregation import Accuracy, Value
from reelback_minisentry.query.search import BadQuery, plain
from reelback_minisentry.stats import sampling
from reelback_minisentry.stats.histogram import bound, mean, middle, percentile
from reelback_minisentry.stats.sampling import Confidence, Sampled
from reelback_minisentry.store.cells import Cell, Row

HEALTHY = ("ok", "cancelled", "unknown")
"""Statuses that failure_rate() does not count as failures, as at Sentry."""

DURATION = "span.duration"

Condition = Callable[[Row], bool]


def total(cells: Iterable[Cell]) -> int:
    """How many segments these are."""
    return sum(n for _, n in cells)


def failed(row: Row) -> bool:
    """Whether the segments of a row failed."""
    return row["span.status"] not in HEALTHY


def failures(cells: Iterable[Cell]) -> int:
    """How many of these segments failed."""
    return total(cell for cell in cells if failed(cell[0]))


def latencies(cells: Iterable[Cell]) -> Mapping[int, int]:
    """The histogram of these segments' durations."""
    bins: defaultdict[int, int] = defaultdict(int)
    for row, n in cells:
        bins[int(row["bin"])] += n
    return bins


@dataclass(frozen=True, slots=True)
class Group:
    """The segments of one group; `extrapolated`: as the requests that they stand for."""

    cells: list[Cell]
    extrapolated: bool

    def those(self, condition: Condition) -> Group:
        """Those that fulfil a condition."""
        return Group([cell for cell in self.cells if condition(cell[0])], self.extrapolated)

    def count(self, condition: Condition | None = None) -> int | None:
        """How many there are."""
        found = self.those(condition) if condition else self
        if not (found.cells if self.extrapolated else self.cells):
            return None
        return round(found.sampled.weight) if self.extrapolated else total(found.cells)

    def failure_rate(self) -> float | None:
        """The share that failed."""
        failing, everything = self.count(failed), self.count()
        return failing / everything if failing is not None and everything else None

    @property
    def sampled(self) -> Sampled:
        """Those that came, and what they stand for."""
        return sampling.summed((row["sample_rate"], n) for row, n in self.cells)

    @property
    def bins(self) -> Mapping[int, float]:
        """The histogram of their durations."""
        if not self.extrapolated:
            return latencies(self.cells)
        bins: defaultdict[int, float] = defaultdict(float)
        for row, n in self.cells:
            bins[int(row["bin"])] += n * sampling.weight(row["sample_rate"])
        return bins

    def accuracy(self, confidence: Confidence) -> Accuracy:
        """How sure a figure of them is."""
        came = self.sampled
        return Accuracy(confidence, came.samples, came.samples / came.weight if came.samples else None)


@dataclass(frozen=True, slots=True)
class Figure:
    """A function of a group in a window of so many seconds. `confidence` is None where nothing is extrapolated."""

    compute: Callable[[Group, float], Value]
    type: str
    unit: str | None = None
    confidence: Callable[[Group], Confidence] | None = None


def _sure(group: Group) -> Confidence:
    return sampling.of_count(group.sampled)


def count_of(condition: Condition) -> Figure:
    """How many fulfil a condition."""
    return Figure(lambda group, _: group.count(condition), "integer", None, lambda group: _sure(group.those(condition)))


def _rate(per: int, unit: str) -> Figure:
    def compute(group: Group, seconds: float) -> Value:
        number = group.count()
        return None if number is None else number * per / seconds

    return Figure(compute, "rate", unit, _sure)


def _surer_of_both(group: Group) -> Confidence:
    """A quotient is as sure as the less sure of its parts."""
    parts = (_sure(group.those(failed)), _sure(group))
    return None if None in parts else "low" if "low" in parts else "high"


def _percentile(share: float) -> Figure:
    return _duration(
        lambda bins: percentile(bins, share),
        lambda group: sampling.of_percentile(group.bins, total(group.cells), share),
    )


def _duration(
    value: Callable[[Mapping[int, float]], float | None], confidence: Callable[[Group], Confidence] | None
) -> Figure:
    return Figure(lambda group, _: value(group.bins) if group.cells else None, "duration", "millisecond", confidence)


FIGURES: Mapping[str, Figure] = {
    "count()": Figure(lambda group, _: group.count() or 0, "integer", None, _sure),
    "count(span.duration)": Figure(lambda group, _: group.count() or 0, "integer", None, _sure),
    "count_sample()": Figure(lambda group, _: total(group.cells), "integer"),
    "eps()": _rate(1, "1/second"),
    "epm()": _rate(60, "1/minute"),
    "failure_count()": count_of(failed),
    "failure_rate()": Figure(lambda group, _: group.failure_rate(), "percentage", None, _surer_of_both),
    "sum(span.duration)": _duration(lambda bins: sum(middle(bin_) * n for bin_, n in bins.items()), _sure),
    "avg(span.duration)": _duration(mean, _sure),
    "min(span.duration)": _duration(lambda bins: middle(min(bins)), None),
    "max(span.duration)": _duration(lambda bins: middle(max(bins)), None),
    **{f"p{n}(span.duration)": _percentile(n / 100) for n in (50, 75, 90, 95, 99)},
}


def longer(operator: str, milliseconds: float) -> Condition:
    """Whether durations are on that side of a limit: the bin bound closest to it, 4 % off at most."""
    limit = bound(milliseconds)
    if operator.startswith(">"):
        return lambda row: int(row["bin"]) >= limit
    return lambda row: int(row["bin"]) < limit


_OPERATORS = {"greater": ">", "greaterOrEquals": ">=", "less": "<", "lessOrEquals": "<="}


def condition_of(arguments: list[str], field: Callable[[str], str]) -> Condition:
    """The condition of count_if(field,operator,value). `field` gives the dimension. Raises BadQuery."""
    if len(arguments) not in (3, 4):
        raise BadQuery(
            "field: count_if takes a field, an operator and a value, as in count_if(span.duration,greater,5)"
        )
    name, operator, *values = arguments
    if plain(name) == DURATION:
        return _duration_condition(operator, values)
    dimension, value = field(name), values[0].strip('"')
    if operator == "equals":
        return lambda row: row[dimension] == value
    if operator == "notEquals":
        return lambda row: row[dimension] != value
    raise BadQuery(f"field: count_if: {name} is a text, which is compared with equals or notEquals, not {operator!r}")


def _duration_condition(operator: str, values: list[str]) -> Condition:
    try:
        limits = [float(value) for value in values]
    except ValueError:
        raise BadQuery(f"field: count_if: {values!r} are not numbers of milliseconds") from None
    if operator == "between" and len(limits) == 2:
        low, high = longer(">=", limits[0]), longer("<", limits[1])
        return lambda row: low(row) and high(row)
    if operator not in _OPERATORS or len(limits) != 1:
        raise BadQuery(f"field: count_if: {DURATION} takes {', '.join(_OPERATORS)} and a number, or between and two")
    return longer(_OPERATORS[operator], limits[0])
