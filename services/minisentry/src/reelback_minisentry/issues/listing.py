"""Which issues a list shows, and in which order."""

from __future__ import annotations

from reelback_minisentry.issues.issue import Issue
from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.query.search import Predicate, parse

SORTS = ("new", "date", "freq")

KEYS = ("is", "first-release", "release", "level", "issue", "transaction", "title")
"""What a query may ask of an issue."""


def predicate(query: str) -> Predicate:
    """The filter of an issue query over `row`. Raises BadQuery."""
    return parse(query, KEYS, {"firstRelease": "first-release", "status": "is"})


def matches(issue: Issue, wanted: Predicate, names: ProjectNames) -> bool:
    """Whether an issue was seen and fits. An issue is of every release that it was seen in."""
    row = {
        "is": issue.status,
        "first-release": issue.first_release,
        "level": issue.latest["level"],
        "issue": names.short_id(issue.project, int(issue.number)),
        "transaction": issue.latest["transaction"],
        "title": issue.latest["title"],
    }
    return issue.count > 0 and any(wanted({**row, "release": release}) for release in issue.releases or [""])


def order(issues: list[Issue], by: str) -> None:
    """Sort in place: new (first seen), date (last seen) or freq, the highest first."""
    keys = {"new": lambda i: i.first_seen, "date": lambda i: i.last_seen, "freq": lambda i: i.count}
    issues.sort(key=keys[by], reverse=True)
