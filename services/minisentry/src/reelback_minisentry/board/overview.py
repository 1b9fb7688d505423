"""What the release board shows of one service, made of counters, deploys and issues: no I/O here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reelback_minisentry.issues.commits import Commit
from reelback_minisentry.issues.issue import Issue
from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.query import session_health
from reelback_minisentry.query.segment_figures import failures, latencies, total
from reelback_minisentry.release_names import service_of
from reelback_minisentry.stats.histogram import percentile
from reelback_minisentry.store.cells import Cell
from reelback_minisentry.timestamps import seconds

WINDOW = 15 * 60
STEP = 3
"""Seconds the charts show, and of one of their points."""


def services(releases: Iterable[str], deploys: Iterable[Mapping[str, Any]]) -> list[str]:
    """The services, the one that was deployed last first, those never deployed after them by name."""
    deployed = [service_of(deploy["release"]) for deploy in deploys]
    return [name for name in dict.fromkeys([*deployed, *sorted(map(service_of, releases))]) if name]


def points(steps: Mapping[int, list[Cell]], starts: range) -> dict[str, list[list[float | None] | None]]:
    """For each release a point a step: [requests, failures, P95 in ms], None where nothing was counted."""
    found: dict[str, list[list[float | None] | None]] = {}
    for index, start in enumerate(starts):
        for release, cells in by_release(steps.get(start, [])).items():
            line = found.setdefault(release, [None] * len(starts))
            line[index] = [total(cells), failures(cells), percentile(latencies(cells), 0.95)]
    return found


def by_release(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Cells of each release."""
    found: dict[str, list[Cell]] = {}
    for cell in cells:
        found.setdefault(cell[0]["release"], []).append(cell)
    return found


def release(
    version: str, fields: Mapping[str, bytes], cells: list[Cell], session_cells: Iterable[Cell], errors: int
) -> dict[str, Any]:
    """A row of the table of releases: requests of the window, sessions of the last day."""
    requests = total(cells)
    tally = session_health.tally(session_cells)
    return {
        "release": version,
        "requests": requests,
        "failures": failures(cells),
        "p95": percentile(latencies(cells), 0.95),
        "errors": errors,
        "sessions": tally["all"],
        "unhandled": tally["unhandled"],
        "crashFree": 1 - tally["crashed"] / tally["all"] if tally["all"] else None,
        "firstSeen": float(fields["first_event"]) if "first_event" in fields else None,
        "lastSeen": float(fields["last_event"]) if "last_event" in fields else None,
    }


def deploy(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A marker. A deploy whose name says so is a rollback; `from` is the release it ended."""
    name = stored["name"] or ""
    left = name.removeprefix("rollback from ")
    return {
        "release": stored["release"],
        "environment": stored["environment"],
        "at": seconds(stored["dateFinished"]),
        "name": name,
        "url": stored["url"],
        "rollbackFrom": left if left != name else None,
    }


def issue(found: Issue, names: ProjectNames) -> dict[str, Any]:
    """A row of the table of issues, also the head of an issue's page."""
    return {
        "id": found.number,
        "shortId": names.short_id(found.project, int(found.number)),
        "title": found.latest["title"],
        "culprit": found.latest["culprit"],
        "level": found.latest["level"],
        "handled": found.latest["handled"],
        "status": found.status,
        "substatus": found.substatus,
        "count": found.count,
        "releases": found.releases,
        "firstRelease": found.first_release,
        "firstSeen": found.first_seen,
        "lastSeen": found.last_seen,
        "trace": found.latest["trace"],
    }


def feedback(said: Mapping[str, Any]) -> dict[str, Any]:
    """What somebody said, without their name and address, for whoever reaches the board may read it."""
    return {name: said[name] for name in ("id", "at", "message", "url", "replay", "trace")} | {
        "issue": said["issue"] and str(said["issue"])
    }


def suspect(commit: Commit) -> dict[str, Any]:
    """A commit on an issue's page; its author without the address, for whoever reaches the board may read it."""
    return {
        "id": commit["id"],
        "message": commit["message"],
        "author": commit["author"]["name"],
        "files": commit["files"],
    }
