"""An issue and its latest event in the JSON of Sentry's API."""

from __future__ import annotations

from typing import Any

from reelback_minisentry.issues.issue import Issue
from reelback_minisentry.short_ids import short_id
from reelback_minisentry.timestamps import iso


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
        "user": {"id": detail["user"]} if detail.get("user") else None,
        "fingerprints": detail.get("fingerprint", []),
        "contexts": {
            **detail.get("contexts", {}),
            "trace": {"trace_id": latest["trace"], "span_id": latest["span"]},
            "flags": {"values": [{"flag": flag, "result": result} for flag, result in detail["flags"].items()]},
        },
        "entries": [
            {"type": "exception", "data": {"values": detail["exceptions"]}},
            {"type": "breadcrumbs", "data": {"values": detail["breadcrumbs"]}},
        ],
    }
