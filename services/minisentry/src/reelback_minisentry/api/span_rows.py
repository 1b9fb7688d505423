"""Single spans as rows of /events/, and counts of spans that are no segments: read from the newest traces."""

from __future__ import annotations

import operator
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.query.search import BadQuery, Predicate, parse, requires
from reelback_minisentry.spans import trace_tree
from reelback_minisentry.store.records import VITALS, TraceLine
from reelback_minisentry.store.scope import Place, Window
from reelback_minisentry.timestamps import iso

MAX_TRACES = 200
"""How many traces are looked through; the answer says that it is of a part when there are more."""

DURATION = "span.duration"
_OF_ONE = ("trace", "id", "timestamp", DURATION, "span.description", "span.name", "span.op", "replay.id", *VITALS)
FIELDS = (*_OF_ONE, "span.status", "transaction", "is_transaction", "release", "environment", "project")
_SEARCHED = tuple(name for name in FIELDS if name not in VITALS)
TYPES = {"timestamp": "date", DURATION: "duration", **dict.fromkeys(VITALS, "number")}
AGGREGATES = {"count()": "integer", f"max({DURATION})": "duration"}

_COMPARED: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def asked(query: str, fields: Iterable[str]) -> bool:
    """Whether a question to the dataset spans is about single spans, or about others than segments."""
    return any(field in _OF_ONE for field in fields) or not requires(query, "is_transaction", "true")


def table(
    traces: Iterable[tuple[str, list[TraceLine]]],
    query: str,
    fields: list[str],
    by: list[str],
    *,
    names: ProjectNames,
    window: Window,
    place: Place,
) -> list[dict[str, Any]]:
    """The rows: a span each, or with an aggregate among the fields a group each. Raises BadQuery."""
    unknown = [name for name in fields if name not in FIELDS and name not in AGGREGATES]
    if unknown:
        raise BadQuery(
            f"field: unknown field {unknown[0]!r} of single spans; figures of segments need is_transaction:true"
        )
    wanted = parse(query, _SEARCHED, {"status": "span.status"}, {DURATION: _longer})
    found = [row for row in _rows(traces, names, window, place) if wanted(row)]
    plain = [name for name in fields if name in FIELDS]
    if len(plain) == len(fields):
        shown = [{name: row[name] for name in plain} for row in found]
    else:
        shown = _grouped(found, plain)
    for name in reversed(by or ["-timestamp"]):
        field = name.removeprefix("-")
        if field not in fields:
            if by:
                raise BadQuery(f"sort: {field!r} is not one of the fields")
            continue
        shown.sort(key=lambda row: _order(row[field]), reverse=name.startswith("-"))
    return [{name: row[name] for name in fields} for row in shown]


def types(fields: list[str]) -> dict[str, str]:
    """The types of fields, as the answer's meta has them."""
    return {name: AGGREGATES.get(name) or TYPES.get(name, "string") for name in fields}


def _order(value: Any) -> tuple[bool, Any]:
    """What is not there is less than anything."""
    return value is not None, 0 if value is None else value


def _longer(comparison: str, milliseconds: float) -> Predicate:
    compare = _COMPARED[comparison]
    return lambda row: compare(float(row[DURATION]), milliseconds)


def _rows(
    traces: Iterable[tuple[str, list[TraceLine]]], names: ProjectNames, window: Window, place: Place
) -> Iterator[dict[str, Any]]:
    for trace, lines in traces:
        for span_id, span in trace_tree.flat(lines).items():
            origin = span["origin"]
            here = place.holds(origin["environment"], origin["project"])
            if not here or not window.start <= span["end"] < window.end:
                continue
            yield {
                "trace": trace,
                "id": span_id,
                "timestamp": iso(span["end"]),
                DURATION: round((span["end"] - span["start"]) * 1000, 3),
                "span.description": span["name"],
                "span.name": span["name"],
                "span.op": span["op"],
                "replay.id": span["attributes"].get("sentry.replay_id", ""),
                **{name: span["attributes"].get(name) for name in VITALS},
                "span.status": span["status"],
                "transaction": span["name"] if span["segment"] else "",
                "is_transaction": str(span["segment"]).lower(),
                "release": origin["release"],
                "environment": origin["environment"],
                "project": names.slug(origin["project"]),
            }


def _grouped(rows: Iterable[Mapping[str, Any]], plain: list[str]) -> list[dict[str, Any]]:
    groups: defaultdict[tuple[Any, ...], list[float]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in plain)].append(float(row[DURATION]))
    return [
        {**dict(zip(plain, names, strict=True)), "count()": len(durations), f"max({DURATION})": max(durations)}
        for names, durations in groups.items()
    ]
