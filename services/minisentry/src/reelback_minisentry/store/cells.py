"""Counters as rows: the field of a hash is a row of dimensions, its value a count or stats. No I/O."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import orjson

from reelback_minisentry.stats import metric_stats
from reelback_minisentry.stats.distinct import Distinct
from reelback_minisentry.stats.metric_stats import Stats
from reelback_minisentry.store import keys
from reelback_minisentry.store.keys import SEPARATOR, Cube
from reelback_minisentry.store.scope import Place

Row = Mapping[str, str]

Cell = tuple[Row, Any]
"""Dimensions, and a count; of metrics it is Stats, of ids Distinct."""

_SEPARATOR = SEPARATOR.encode()


class MetricRow(dict[str, str]):
    """A metric's dimensions and attributes; an attribute it does not have is "", or OTHER when they were too many."""

    def __missing__(self, name: str) -> str:
        return keys.OTHER if self["attributes"] == keys.OTHER else ""


@lru_cache(20_000)
def _row(cube: Cube, field: bytes) -> Mapping[str, str]:
    """A counter's field as a row: the same few are read again and again."""
    row = dict(zip(cube.dimensions, field.decode().split(SEPARATOR), strict=True))
    if cube is not keys.METRICS:
        return row
    attributes = row["attributes"]
    return MetricRow((orjson.loads(attributes) if attributes.startswith("{") else {}) | row)


def cells(cube: Cube, hashes: Iterable[dict[bytes, bytes]], place: Place) -> list[Cell]:
    """Counters summed up, as rows of dimensions; only of the environments and projects asked for."""
    total = _READ.get(cube, _counts)(hashes)
    rows = [(_row(cube, field), value) for field, value in total.items()]
    if "environment" not in cube.dimensions:
        return list(rows)
    return [(row, value) for row, value in rows if place.holds(row["environment"], row["project"])]


def _counts(hashes: Iterable[dict[bytes, bytes]]) -> Mapping[bytes, int]:
    total: Counter[bytes] = Counter()
    for hash_ in hashes:
        for field, n in hash_.items():
            total[field] += int(n)
    return total


def _stats(hashes: Iterable[dict[bytes, bytes]]) -> Mapping[bytes, Stats]:
    """The stats of metrics, each with its bins, by the field without a bin."""
    total: defaultdict[bytes, Stats] = defaultdict(Stats)
    for hash_ in hashes:
        for field, value in hash_.items():
            series, separator, number = field.rpartition(_SEPARATOR)
            whole = total[series + separator]
            if number:
                whole.bins[int(number)] += int(value)
            else:
                whole.add(metric_stats.unpack(value))
    return total


def _ids(hashes: Iterable[dict[bytes, bytes]]) -> Mapping[bytes, Distinct]:
    total: defaultdict[bytes, Distinct] = defaultdict(Distinct)
    for hash_ in hashes:
        for field, sketch in hash_.items():
            total[field].add_sketch(sketch)
    return total


_READ: Mapping[Cube, Callable[[Iterable[dict[bytes, bytes]]], Mapping[bytes, Any]]] = {
    keys.METRICS: _stats,
    keys.IDS: _ids,
}
