"""The datasets errors and spans: counters by dimensions, of which a duration's bin is one. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from reelback_minisentry.query.aggregation import CALL, Aggregate
from reelback_minisentry.query.search import BadQuery, Predicate, parse, plain, requires
from reelback_minisentry.stats.histogram import mean, percentile
from reelback_minisentry.store import keys
from reelback_minisentry.store.cells import Cell
from reelback_minisentry.store.keys import Cube

HEALTHY = ("ok", "cancelled", "unknown")
"""Statuses that failure_rate() does not count as failures, as at Sentry."""


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


_OF_ALL: dict[str, Aggregate] = {
    "count()": Aggregate(lambda cells, _: total(cells), "integer"),
    "eps()": Aggregate(lambda cells, seconds: total(cells) / seconds, "rate", "1/second"),
    "epm()": Aggregate(lambda cells, seconds: total(cells) * 60 / seconds, "rate", "1/minute"),
}
_OF_SPANS: Mapping[str, Aggregate] = _OF_ALL | {
    "count(span.duration)": _OF_ALL["count()"],
    "failure_count()": Aggregate(lambda cells, _: failures(cells), "integer"),
    "failure_rate()": Aggregate(lambda cells, _: _failure_rate(cells), "percentage"),
    "avg(span.duration)": Aggregate(lambda cells, _: mean(latencies(cells)), "duration", "millisecond"),
    **{f"p{n}(span.duration)": _percentile(n / 100) for n in (50, 75, 90, 95, 99)},
}


@dataclass(frozen=True, slots=True)
class Counted:
    """A dataset of counters: the fields that group and filter, other names of those, and its functions."""

    name: str
    cube: Cube
    fields: tuple[str, ...]
    aliases: Mapping[str, str]
    functions: Mapping[str, Aggregate]

    def field(self, name: str) -> str:
        """The dimension of a field. Raises BadQuery."""
        found = self.aliases.get(plain(name), plain(name))
        if found not in self.fields:
            raise BadQuery(f"field: unknown field {name!r} of dataset {self.name}")
        return found

    def predicate(self, query: str) -> Predicate:
        """The filter of a query. Raises BadQuery, also for one that asks for spans that are not counted."""
        if self.cube is not keys.SPANS:
            return parse(query, self.fields, self.aliases)
        wanted = parse(query, (*self.fields, "is_transaction"), self.aliases)
        if not requires(query, "is_transaction", "true"):
            raise BadQuery("query: of dataset spans only segments are counted here; add is_transaction:true")
        return lambda row: wanted({**row, "is_transaction": "true"})

    def aggregate(self, name: str) -> Aggregate | None:
        """The aggregate that a field names, None for a plain field. Raises BadQuery for one that is not known."""
        call = CALL.fullmatch(name)
        if call is None:
            return None
        function, argument = call[1], call[2].strip()
        if found := self.functions.get(f"{function}({argument})"):
            return found
        field = self.aliases.get(argument, argument)
        if function == "count_unique" and field in self.fields:
            return Aggregate(lambda cells, _: len({row[field] for row, _ in cells if row[field]}), "integer")
        raise BadQuery(f"field: unknown function {name!r} of dataset {self.name}")


_ALIASES = {"status": "span.status", "trace.status": "span.status"}
SPANS = Counted("spans", keys.SPANS, keys.SPANS.dimensions[:-1], _ALIASES, _OF_SPANS)
ERRORS = Counted("errors", keys.ERRORS, keys.ERRORS.dimensions, {"issue": "issue.id"}, _OF_ALL)
