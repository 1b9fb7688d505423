"""Lines over time as SVG, and a trace as bars. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from reelback_operator.sentry.evidence import service_of

from reelback_local.page.facts import Points

WIDTH, HEIGHT = 720, 200
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 8, 8, 22
MAX_BARS = 60


@dataclass(frozen=True)
class Line:
    """One line of a chart: its points as SVG has them."""

    name: str
    path: str
    color: int


@dataclass(frozen=True)
class Chart:
    """Lines over one time, with what stands at the axes: (place, words)."""

    lines: Sequence[Line]
    up: Sequence[tuple[float, str]]
    along: Sequence[tuple[float, str]]
    marks: Sequence[tuple[float, str]]
    limit: float | None


def chart(
    series: Mapping[str, Points], unit: str, marks: Mapping[str, datetime | None], limit: float | None = None
) -> Chart | None:
    """Lines over time; None when there are no points. `marks` are moments, `limit` is a line across."""
    points = [point for each in series.values() for point in each]
    if not points:
        return None
    moments = {name: at.timestamp() for name, at in marks.items() if at}
    times = [at for at, _ in points]
    begin, end = min(times), max(*times, *moments.values(), min(times) + 1)
    high = max([value for _, value in points] + ([limit] if limit is not None else []))
    low = min(0.0, *(value for _, value in points))
    high = high * 1.08 if high > low else low + 1

    def x(at: float) -> float:
        return round(_LEFT + (at - begin) / (end - begin) * (WIDTH - _LEFT - _RIGHT), 1)

    def y(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * (HEIGHT - _TOP - _BOTTOM), 1)

    lines = [
        Line(name, " ".join(f"{x(at)},{y(value)}" for at, value in each), number)
        for number, (name, each) in enumerate(series.items())
        if each
    ]
    up = [(y(low + part * (high - low)), f"{low + part * (high - low):.3g}{unit}") for part in (0, 0.5, 1)]
    span = end - begin
    along = [(x(begin + part * span), f"{part * span:.0f} s") for part in (0, 0.25, 0.5, 0.75, 1)]
    at = [(x(moment), name) for name, moment in moments.items() if begin <= moment <= end]
    return Chart(lines, up, along, at, y(limit) if limit is not None else None)


@dataclass(frozen=True)
class Bar:
    """One span: how deep, where it begins and how long it is in percent of the trace, and what it says."""

    name: str
    service: str
    depth: int
    left: float
    width: float
    milliseconds: float
    failed: bool


def bars(trace: Sequence[Mapping[str, Any]]) -> list[Bar]:
    """The spans of a trace from the top, the first MAX_BARS of them."""
    found = list(_walk(trace, 0))
    if not found:
        return []
    begin = min(float(span["start_timestamp"]) for span, _ in found)
    whole = max(max(float(span["end_timestamp"]) for span, _ in found) - begin, 1e-6)
    return [
        Bar(
            name=str(span.get("description") or span.get("name") or span.get("op") or ""),
            service=service_of(span),
            depth=depth,
            left=round(100 * (float(span["start_timestamp"]) - begin) / whole, 2),
            width=round(max(100 * (float(span["end_timestamp"]) - float(span["start_timestamp"])) / whole, 0.3), 2),
            milliseconds=1000 * (float(span["end_timestamp"]) - float(span["start_timestamp"])),
            failed=(span.get("additional_attributes") or {}).get("span.status") not in ("ok", None),
        )
        for span, depth in found[:MAX_BARS]
    ]


def _walk(spans: Sequence[Mapping[str, Any]], depth: int) -> Iterator[tuple[Mapping[str, Any], int]]:
    for span in spans:
        if isinstance(span.get("start_timestamp"), int | float) and isinstance(span.get("end_timestamp"), int | float):
            yield span, depth
            yield from _walk(span.get("children") or [], depth + 1)
