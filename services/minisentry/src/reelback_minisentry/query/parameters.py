"""The parameters that Sentry's list and query calls share: time window, filters, pages. Raises BadQuery."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import TypeVar

from starlette.datastructures import URL, QueryParams

from reelback_minisentry.query.search import BadQuery
from reelback_minisentry.store.scope import Window
from reelback_minisentry.timestamps import seconds

_PERIOD = re.compile(r"(\d{1,6})([smhdw])")
_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_CURSOR = re.compile(r"\d+:(\d{1,7}):[01]")
DEFAULT_PERIOD = 14 * 86_400
MAX_PAGE = 100
MAX_POINTS = 2000
_INTERVALS = (1, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400)

T = TypeVar("T")


def duration(text: str, name: str) -> int:
    """Seconds of a period such as 90s, 15m, 24h."""
    match = _PERIOD.fullmatch(text)
    if match is None or int(match[1]) == 0:
        raise BadQuery(f"{name}: {text[:40]!r} is not a period such as 15m or 24h")
    return int(match[1]) * _UNIT[match[2]]


def window(query: QueryParams) -> Window:
    """The window of a request: statsPeriod, or start and end, or the last 14 days."""
    now = time.time()
    if period := query.get("statsPeriod"):
        return Window.between(now - duration(period, "statsPeriod"), now + 1, now)
    if "start" not in query and "end" not in query:
        return Window.between(now - DEFAULT_PERIOD, now + 1, now)
    start, end = (seconds(query.get(name, "")) for name in ("start", "end"))
    if start is None or end is None:
        raise BadQuery("start and end: both are needed, as ISO 8601 times")
    if end <= start:
        raise BadQuery("end: not after start")
    return Window.between(start, end, now)


def environments(query: QueryParams) -> frozenset[str]:
    """The environments asked for; empty means all."""
    return frozenset(filter(None, query.getlist("environment")))


def interval(query: QueryParams, within: Window) -> int:
    """Seconds of a point of a time series; by default what makes at most 100 of them. At least the window's step."""
    if "interval" in query:
        chosen = duration(query["interval"], "interval")
    else:
        chosen = next((step for step in _INTERVALS if within.seconds / step <= 100), _INTERVALS[-1])
    chosen = -(-max(chosen, within.step) // within.step) * within.step
    if within.seconds / chosen > MAX_POINTS:
        raise BadQuery(f"interval: makes more than {MAX_POINTS} points")
    return chosen


def page_size(query: QueryParams, name: str = "per_page") -> int:
    """Entries of a page: 1 to 100."""
    raw = query.get(name, str(MAX_PAGE))
    if not raw.isdigit() or not 1 <= int(raw) <= MAX_PAGE:
        raise BadQuery(f"{name}: must be 1 to {MAX_PAGE}")
    return int(raw)


def page(entries: Sequence[T], url: URL, query: QueryParams, name: str = "per_page") -> tuple[Sequence[T], str]:
    """The asked page of a list, and the Link header that leads to its neighbours."""
    size, at = page_size(query, name), offset(query)
    return entries[at : at + size], links(url, at, size, len(entries))


def offset(query: QueryParams) -> int:
    """Where a page begins."""
    match = _CURSOR.fullmatch(query.get("cursor", "0:0:0"))
    if match is None:
        raise BadQuery("cursor: not one that this server gave out")
    return int(match[1])


def links(url: URL, at: int, size: int, total: int) -> str:
    """The Link header of a page of `size` entries from `at` on."""
    neighbours = (
        ("previous", f"0:{max(0, at - size)}:1", at > 0),
        ("next", f"0:{at + size}:0", at + size < total),
    )
    return ", ".join(
        f'<{url.include_query_params(cursor=cursor)}>; rel="{rel}"; results="{str(any_).lower()}"; cursor="{cursor}"'
        for rel, cursor, any_ in neighbours
    )
