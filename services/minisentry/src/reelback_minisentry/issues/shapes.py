"""An issue and its latest event in the JSON of Sentry's API."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reelback_minisentry.issues.issue import Issue
from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.timestamps import iso


def shape(issue: Issue, base: str, names: ProjectNames) -> dict[str, Any]:
    """Sentry's issue object. `base`: the address of this server."""
    latest, slug = issue.latest, names.slug(issue.project)
    return {
        "id": issue.number,
        "shareId": None,
        "shortId": names.short_id(issue.project, int(issue.number)),
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
        "project": {"id": issue.project, "name": slug, "slug": slug, "platform": issue.platform},
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


def event(issue: Issue, exceptions: Iterable[Mapping[str, Any]], problems: Iterable[str]) -> dict[str, Any]:
    """The latest event, as /issues/{id}/events/latest/ shows it.

    `exceptions` are its own with `frames` as they are to be read and `raw` ones; `problems`: why some could not be.
    """
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
            **({"replay": {"replay_id": detail["replay"]}} if detail.get("replay") else {}),
            "trace": {"trace_id": latest["trace"], "span_id": latest["span"]},
            "flags": {"values": [{"flag": flag, "result": result} for flag, result in detail["flags"].items()]},
        },
        "entries": [
            {"type": "exception", "data": {"values": [_exception(exception) for exception in exceptions]}},
            {"type": "breadcrumbs", "data": {"values": detail["breadcrumbs"]}},
        ],
        "errors": [{"type": "js_missing_source", "message": problem, "data": {}} for problem in problems],
    }


def _exception(exception: Mapping[str, Any]) -> dict[str, Any]:
    raw = exception["raw"]
    return {
        "type": exception["type"],
        "value": exception["value"],
        "stacktrace": {"frames": [_frame(frame) for frame in exception["frames"]]},
        "rawStacktrace": raw and {"frames": [_frame(frame) for frame in raw]},
    }


def _frame(frame: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "filename": frame["filename"],
        "function": frame["function"],
        "lineNo": frame["lineno"],
        "colNo": frame.get("colno"),
        "inApp": frame["inApp"],
        "context": frame.get("context") or ([[frame["lineno"], frame["line"]]] if frame["line"] else []),
    }
