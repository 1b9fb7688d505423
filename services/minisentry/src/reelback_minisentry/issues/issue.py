"""Issues as Sentry's API shows them, out of the fields that the store keeps of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from reelback_minisentry import release_names


@dataclass(frozen=True, slots=True)
class Issue:
    """One issue within the environments asked for. `count` 0: it was not seen in them."""

    number: str
    project: str
    platform: str
    count: int
    first_seen: float
    last_seen: float
    first_release: str
    last_release: str
    releases: dict[str, int]
    latest: dict[str, Any]
    status: str
    status_details: dict[str, Any]
    substatus: str | None


def load(number: str, fields: Mapping[str, bytes], environments: frozenset[str]) -> Issue:
    """An issue from its stored fields, counted in these environments only (empty: in all)."""
    head, latest = orjson.loads(fields["head"]), orjson.loads(fields["latest"])
    seen = {name.partition("|")[2] for name in fields if name.startswith("count|")}
    wanted = seen & environments if environments else seen
    firsts = [orjson.loads(fields[f"first|{name}"]) for name in wanted] or [[0.0, ""]]
    lasts = [orjson.loads(fields[f"last|{name}"]) for name in wanted] or [[0.0, ""]]
    first, last = min(firsts), max(lasts)
    decided = orjson.loads(fields.get("decided", b"null")) or {}
    status, details, substatus = _status(decided, last[0], last[1])
    return Issue(
        number=number,
        project=head["project"],
        platform=head["platform"],
        count=sum(int(fields[f"count|{name}"]) for name in wanted),
        first_seen=first[0],
        last_seen=last[0],
        first_release=first[1],
        last_release=last[1],
        releases={name.partition("|")[2]: int(n) for name, n in fields.items() if name.startswith("release|")},
        latest=latest,
        status=status,
        status_details=details,
        substatus=substatus,
    )


def _status(decided: Mapping[str, Any], last_seen: float, last_release: str) -> tuple[str, dict[str, Any], str | None]:
    """What was decided about an issue, unless events since then have overruled it (a regression)."""
    status = decided.get("status", "unresolved")
    if status != "resolved":
        return status, {}, "archived_forever" if status == "ignored" else "ongoing"
    regressed = last_seen > decided["at"]
    if release := decided.get("inRelease"):
        details: dict[str, Any] = {"inRelease": release}
        regressed = regressed and release_names.order(last_release) >= release_names.order(release)
    elif after := decided.get("after"):
        details = {"inNextRelease": True}
        regressed = regressed and release_names.order(last_release) > release_names.order(after)
    else:
        details = {}
    return ("unresolved", {}, "regressed") if regressed else ("resolved", details, None)
