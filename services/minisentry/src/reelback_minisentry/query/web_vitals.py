"""Web vitals in the dataset spans: functions of an attribute, as p75(browser.web_vital.inp.value), also of those spans
whose trace is gone.
"""

from __future__ import annotations

from collections.abc import Iterable

from reelback_minisentry.query.aggregation import CALL, Aggregate
from reelback_minisentry.query.metrics_dataset import TRACEMETRICS
from reelback_minisentry.query.search import BadQuery, Predicate, parse, plain
from reelback_minisentry.store import keys
from reelback_minisentry.store.keys import Cube
from reelback_minisentry.store.records import VITALS

FIELDS = ("environment", "project", "release", "transaction")
FUNCTIONS = ("count", "avg", "min", "max", "p50", "p75", "p90", "p95", "p99")


def _vital(argument: str) -> str:
    """The attribute that an argument names, by the short name that Sentry has for it, too; "" for none."""
    found = plain(argument.strip())
    named = f"browser.web_vital.{found.removeprefix('measurements.')}.value"
    return found if found in VITALS else named if named in VITALS else ""


def asked(fields: Iterable[str]) -> bool:
    """Whether any of these fields is a function of a vital."""
    return any((call := CALL.fullmatch(field)) and _vital(call[2]) for field in fields)


class WebVitals:
    """The part of the dataset."""

    name = "spans"
    cube: Cube = keys.METRICS

    def field(self, name: str) -> str:
        """The dimension of a field. Raises BadQuery."""
        if (found := plain(name)) not in FIELDS:
            raise BadQuery(f"field: {name!r}: web vitals go by {', '.join(FIELDS)}")
        return found

    def predicate(self, query: str) -> Predicate:
        """The filter of a query. Raises BadQuery."""
        return parse(query, FIELDS)

    def aggregate(self, name: str) -> Aggregate | None:
        """The function that a field names, None for a plain field. Raises BadQuery for one that is not known."""
        call = CALL.fullmatch(name)
        if call is None:
            return None
        vital = _vital(call[2])
        if not vital or call[1] not in FUNCTIONS:
            raise BadQuery(
                f"field: {name!r}: of web vitals there are {', '.join(FUNCTIONS)}, as in p75({next(iter(VITALS))})"
            )
        return TRACEMETRICS.aggregate(f"{call[1]}(value,{vital},distribution,{VITALS[vital] or 'none'})")


WEB_VITALS = WebVitals()
