"""The datasets errors and spans: counters by dimensions, of which a duration's bin is one. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from reelback_minisentry.query import segment_figures
from reelback_minisentry.query.aggregation import CALL, Aggregate
from reelback_minisentry.query.search import BadQuery, Predicate, parse, plain, requires
from reelback_minisentry.query.segment_figures import DURATION, FIGURES, Figure, Group, total
from reelback_minisentry.stats.distinct import Distinct
from reelback_minisentry.store import keys
from reelback_minisentry.store.cells import Cell
from reelback_minisentry.store.keys import Cube

IDS = {"trace": "trace", "user": "user", "user.id": "user"}
"""What count_unique() counts beside fields: there are too many of them for counters."""


def unique(field: str) -> Aggregate:
    """How many different values a field has."""

    def compute(cells: list[Cell], _: float) -> int:
        return len({row[field] for row, _ in cells if row[field]})

    return Aggregate(compute, "integer")


def unique_ids(of: str) -> Aggregate:
    """How many different traces or users there are."""

    def compute(cells: list[Cell], _seconds: float) -> int:
        found = Distinct()
        for _, ids in cells:
            found.add(ids)
        return len(found)

    return Aggregate(compute, "integer", only=lambda row: row["of"] == of, of_ids=True)


@dataclass(frozen=True, slots=True)
class CounterDataset:
    """A dataset of counters: the fields that group and filter, and other names of those."""

    name: str
    cube: Cube
    fields: tuple[str, ...]
    aliases: Mapping[str, str]

    def field(self, name: str) -> str:
        """The dimension of a field. Raises BadQuery."""
        found = self.aliases.get(plain(name), plain(name))
        if found not in self.fields:
            raise BadQuery(f"field: unknown field {name!r} of dataset {self.name}")
        return found

    def predicate(self, query: str) -> Predicate:
        """The filter of a query. Raises BadQuery."""
        return parse(query, self.fields, self.aliases)

    def aggregate(self, name: str) -> Aggregate | None:
        """The aggregate that a field names, None for a plain field. Raises BadQuery for one that is not known."""
        call = CALL.fullmatch(name)
        if call is None:
            return None
        function, arguments = call[1], [part.strip() for part in call[2].split(",")]
        if function == "count_unique" and arguments[0] in IDS:
            return unique_ids(IDS[arguments[0]])
        found = self.function(function, arguments)
        if found is None and function == "count_unique" and self.aliases.get(arguments[0], arguments[0]) in self.fields:
            return unique(self.field(arguments[0]))
        if found is None:
            raise BadQuery(f"field: unknown function {name!r} of dataset {self.name}")
        return found

    def ids_predicate(self, query: str, fields: list[str]) -> Predicate:
        """The filter of ids. Raises BadQuery for a field, plain or in the query, by which they are not kept."""
        return self.predicate(query)

    def function(self, function: str, arguments: list[str]) -> Aggregate | None:
        """The dataset's own function of a name and arguments; None when it has none."""
        if arguments != [""]:
            return None
        return _OF_ERRORS.get(function)


_OF_ERRORS = {
    "count": Aggregate(lambda cells, _: total(cells), "integer"),
    "eps": Aggregate(lambda cells, seconds: total(cells) / seconds, "rate", "1/second"),
    "epm": Aggregate(lambda cells, seconds: total(cells) * 60 / seconds, "rate", "1/minute"),
}


@dataclass(frozen=True, slots=True)
class SpanDataset(CounterDataset):
    """Segments. `extrapolated`: figures are of the requests that they stand for, where senders sample."""

    extrapolated: bool = True

    def predicate(self, query: str) -> Predicate:
        """The filter of a query. Raises BadQuery, also for one that asks for spans that are not counted."""
        wanted = parse(query, (*self.fields, "is_transaction"), self.aliases, {DURATION: segment_figures.longer})
        if not requires(query, "is_transaction", "true"):
            raise BadQuery("query: of dataset spans only segments are counted here; add is_transaction:true")
        return lambda row: wanted({**row, "is_transaction": "true"})

    def ids_predicate(self, query: str, fields: list[str]) -> Predicate:
        """Likewise."""
        kept = keys.IDS.dimensions[:-1]
        plain_fields = [self.field(name) for name in fields if self.aggregate(name) is None]
        try:
            wanted = parse(query, (*kept, "is_transaction"), self.aliases)
        except BadQuery as error:
            raise BadQuery(f"{error}; traces and users are counted by {', '.join(kept)}") from None
        if not set(plain_fields) <= set(kept):
            raise BadQuery(f"field: traces and users are counted by {', '.join(kept)}")
        return lambda row: wanted({**row, "is_transaction": "true"})

    def function(self, function: str, arguments: list[str]) -> Aggregate | None:
        """A figure, also count_if of a condition."""
        if function == "count_if":
            return self._aggregate(segment_figures.count_of(segment_figures.condition_of(arguments, self.field)))
        figure = FIGURES.get(f"{function}({','.join(arguments)})")
        return self._aggregate(figure) if figure else None

    def _aggregate(self, figure: Figure) -> Aggregate:
        confidence = figure.confidence if self.extrapolated else None
        return Aggregate(
            lambda cells, seconds: figure.compute(Group(cells, self.extrapolated), seconds),
            figure.type,
            figure.unit,
            accuracy=lambda cells: (group := Group(cells, True)).accuracy(confidence(group)) if confidence else None,
        )

    def counted(self) -> SpanDataset:
        """The same without extrapolation."""
        return replace(self, extrapolated=False)


_SEGMENT_FIELDS = tuple(name for name in keys.SPANS.dimensions if name not in ("sample_rate", "bin"))
_ALIASES = {"status": "span.status", "trace.status": "span.status"}
SPANS = SpanDataset("spans", keys.SPANS, _SEGMENT_FIELDS, _ALIASES)
ERRORS = CounterDataset("errors", keys.ERRORS, keys.ERRORS.dimensions, {"issue": "issue.id"})
