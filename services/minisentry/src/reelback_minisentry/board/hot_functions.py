"""Where a service spends its time, function by function, as its profiles say: no I/O here."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from reelback_minisentry.store.cells import Cell

MOST = 10
"""Functions that are shown."""


def shares(cells: Iterable[Cell]) -> list[dict[str, Any]]:
    """The functions that take most, the greatest share first: of the time of a release's threads that run its own code.

    Threads of libraries, which mostly wait, are left out; what the others wait for is in it.
    """
    rows = list(cells)
    own = {(row["release"], row["thread.id"]) for row, _ in rows if row["is_application"] == "1"}
    took: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    whole: Counter[str] = Counter()
    for row, n in rows:
        if row["of"] == "self" and (row["release"], row["thread.id"]) in own:
            took[row["function"], row["package"]][row["release"]] += n
            whole[row["release"]] += n
    parts = {named: {release: n / whole[release] for release, n in of.items()} for named, of in took.items()}
    hottest = sorted(parts, key=lambda named: max(parts[named].values()), reverse=True)[:MOST]
    return [{"function": name, "package": package, "shares": parts[name, package]} for name, package in hottest]
