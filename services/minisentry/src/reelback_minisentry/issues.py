"""Issues as Sentry's API shows them, out of the fields that the store keeps of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from reelback_minisentry import versions
from reelback_minisentry.query import Predicate, parse
from reelback_minisentry.values import iso

SORTS = ("new", "date", "freq")

KEYS = ("is", "first-release", "release", "level", "issue", "transaction", "title")
"""What a query may ask of an issue."""

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


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


def short_id(project: str, number: int) -> str:
    """MINISENTRY-1-4F9K2: made of the issue's number, so that it needs no counter."""
    digits = ""
    while number:
        number, digit = divmod(number, 32)
        digits = _DIGITS[digit] + digits
    return f"MINISENTRY-{project}-{digits}".upper()


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
        regressed = regressed and versions.order(last_release) >= versions.order(release)
    elif after := decided.get("after"):
        details = {"inNextRelease": True}
        regressed = regressed and versions.order(last_release) > versions.order(after)
    else:
        details = {}
    return ("unresolved", {}, "regressed") if regressed else ("resolved", details, None)


def predicate(query: str) -> Predicate:
    """The filter of an issue query over `row`. Raises BadQuery."""
    return parse(query, KEYS, {"firstRelease": "first-release", "status": "is"})


def matches(issue: Issue, wanted: Predicate) -> bool:
    """Whether an issue was seen and fits. An issue is of every release that it was seen in."""
    row = {
        "is": issue.status,
        "first-release": issue.first_release,
        "level": issue.latest["level"],
        "issue": short_id(issue.project, int(issue.number)),
        "transaction": issue.latest["transaction"],
        "title": issue.latest["title"],
    }
    return issue.count > 0 and any(wanted({**row, "release": release}) for release in issue.releases or [""])


def order(issues: list[Issue], by: str) -> None:
    """Sort in place: new (first seen), date (last seen) or freq, the highest first."""
    keys = {"new": lambda i: i.first_seen, "date": lambda i: i.last_seen, "freq": lambda i: i.count}
    issues.sort(key=keys[by], reverse=True)


def shape(issue: Issue, base: str) -> dict[str, Any]:
    """Sentry's issue object. `base`: the address of this server."""
    latest = issue.latest
    return {
        "id": issue.number,
        "shareId": None,
        "shortId": short_id(issue.project, int(issue.number)),
        "title": latest["title"],
        "culprit": latest["culprit"],
        "permalink": f"{base}/issues/{issue.number}",
        "logger": None,
        "level": latest["level"],
        "status": issue.status,
        "statusDetails": issue.status_details,
        "substatus": issue.substatus,
        "isPublic": False,
        "platform": issue.platform,
        "priority": "high" if not latest["handled"] or latest["level"] == "fatal" else "medium",
        "project": {"id": issue.project, "name": issue.project, "slug": issue.project, "platform": issue.platform},
        "type": "error" if "type" in latest["metadata"] else "default",
        "issueType": "error",
        "issueCategory": "error",
        "metadata": latest["metadata"],
        "numComments": 0,
        "assignedTo": None,
        "isBookmarked": False,
        "isSubscribed": False,
        "subscriptionDetails": None,
        "hasSeen": False,
        "annotations": [],
        "isUnhandled": not latest["handled"],
        "count": str(issue.count),
        "userCount": 0,
        "firstSeen": iso(issue.first_seen),
        "lastSeen": iso(issue.last_seen),
        "firstRelease": {"version": issue.first_release} if issue.first_release else None,
        "lastRelease": {"version": issue.last_release} if issue.last_release else None,
    }


def event(issue: Issue) -> dict[str, Any]:
    """The latest event, as /issues/{id}/events/latest/ shows it."""
    latest = issue.latest
    detail = latest["detail"]
    return {
        "id": latest["id"],
        "eventID": latest["id"],
        "groupID": issue.number,
        "projectID": issue.project,
        "title": latest["title"],
        "message": latest["metadata"].get("title", ""),
        "culprit": latest["culprit"],
        "platform": issue.platform,
        "dateCreated": iso(latest["timestamp"]),
        "metadata": latest["metadata"],
        "tags": [
            {"key": key, "value": value}
            for key, value in {
                **detail["tags"],
                "environment": latest["origin"]["environment"],
                "level": latest["level"],
                "release": latest["origin"]["release"],
            }.items()
            if value
        ],
        "contexts": {
            "trace": {"trace_id": latest["trace"], "span_id": latest["span"]},
            "flags": {"values": [{"flag": flag, "result": result} for flag, result in detail["flags"].items()]},
        },
        "entries": [
            {"type": "exception", "data": {"values": detail["exceptions"]}},
            {"type": "breadcrumbs", "data": {"values": detail["breadcrumbs"]}},
        ],
    }
