"""The board's charts of metrics, made of their stats: no I/O here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from reelback_minisentry.stats.metric_stats import Stats
from reelback_minisentry.store.cells import Cell, Row

STEP = 10
LEAST_SPAN = 60
"""Seconds of a point, and the least that a chart spans."""

LATE = 8.0
"""Seconds until a counter's samples are here: the SDK sends them every 5 to 6 s."""

MAX_CHARTS = 24
MAX_LINES = 6

Metric = tuple[str, str, str]
"""Name, type, unit."""


def charts(steps: Mapping[int, list[Cell]], starts: range, now: float) -> list[dict[str, Any]]:
    """A chart a metric, in the order of their names, and in it a line for each set of attributes.

    A point is None where nothing was sent, and else of a gauge its last value, of a counter its sum a second, of a
    distribution its P95.
    """
    found: dict[Metric, dict[str, dict[int, Stats]]] = {}
    for start in sorted(steps):
        for row, stats in steps[start]:
            metric = (row["metric.name"], row["metric.type"], row["metric.unit"])
            points = found.setdefault(metric, {}).setdefault(_label(row), {})
            points.setdefault(start, Stats()).add(stats)
    if not found:
        return []
    first = min(min(steps) - starts.step, starts.stop - LEAST_SPAN)
    shown = range(max(starts.start, first), starts.stop, starts.step)
    return [
        {
            "name": name,
            "type": kind,
            "unit": unit,
            "start": shown.start,
            "step": shown.step,
            "more": max(0, len(lines) - MAX_LINES),
            "lines": [
                {"label": label, "values": [_point(points.get(start), kind, start + STEP, now) for start in shown]}
                for label, points in sorted(lines.items())[:MAX_LINES]
            ],
        }
        for (name, kind, unit), lines in sorted(found.items())[:MAX_CHARTS]
    ]


def _label(row: Row) -> str:
    """The values of the attributes, in the order of their names."""
    attributes = row["attributes"]
    return " ".join(orjson.loads(attributes).values()) if attributes.startswith("{") else attributes


def _point(stats: Stats | None, kind: str, end: int, now: float) -> float | None:
    if kind == "counter":
        if end > now - LATE:
            return None
        return stats.total / STEP if stats else None
    if stats is None:
        return None
    return stats.last if kind == "gauge" else stats.percentile(0.95)
