"""The dataset profile_functions: how long functions took, as continuous profiles say.

`function.self_time` is what a function took itself, `function.duration` that and what it called, in nanoseconds as at
Sentry; both are of the whole wall clock, so a thread that waits takes time, too. Of what calls others only the
service's own functions are kept. Single calls are not kept: there are sums, and no percentiles.
"""

from __future__ import annotations

from collections.abc import Mapping

from reelback_minisentry.query.aggregation import CALL, Aggregate
from reelback_minisentry.query.search import BadQuery, Predicate, parse, plain
from reelback_minisentry.query.segment_figures import total
from reelback_minisentry.store import keys
from reelback_minisentry.store.cells import Cell
from reelback_minisentry.store.keys import Cube

FIELDS = keys.PROFILES.dimensions[:-1]

_MICROSECOND = 1000
"""Nanoseconds of what is stored."""


def _sum(*of: str, unit: int = 1) -> Aggregate:
    def compute(cells: list[Cell], _: float) -> int:
        return unit * total(cells)

    return Aggregate(compute, "integer", only=lambda row: row["of"] in of)


FUNCTIONS: Mapping[str, Aggregate] = {
    "count()": _sum("calls"),
    "sum(function.self_time)": _sum("self", unit=_MICROSECOND),
    "sum(function.duration)": _sum("self", "callees", unit=_MICROSECOND),
}
"""count() is how often a thread was found in a function that it was not in a sample before."""


class ProfileFunctions:
    """The dataset."""

    name = "profile_functions"
    cube: Cube = keys.PROFILES

    def field(self, name: str) -> str:
        """The dimension of a field. Raises BadQuery."""
        found = plain(name)
        if found not in FIELDS:
            raise BadQuery(f"field: unknown field {name!r} of dataset {self.name}; there are {', '.join(FIELDS)}")
        return found

    def predicate(self, query: str) -> Predicate:
        """The filter of a query. Raises BadQuery."""
        return parse(query, FIELDS)

    def aggregate(self, name: str) -> Aggregate | None:
        """The aggregate that a field names, None for a plain field. Raises BadQuery for one that is not known."""
        call = CALL.fullmatch(name)
        if call is None:
            return None
        found = FUNCTIONS.get(f"{call[1]}({call[2].strip()})")
        if found is None:
            raise BadQuery(f"field: {name!r} of dataset {self.name} is not one of {', '.join(FUNCTIONS)}")
        return found


PROFILE_FUNCTIONS = ProfileFunctions()
