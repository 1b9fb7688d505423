"""The commits of a release: what is kept of them, how Sentry shows them, and which of them an exception points at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from reelback_minisentry.timestamps import iso
from reelback_minisentry.untrusted import text

FIELD = "kept_commits"
"""Of a release, in the store."""

MAX_COMMITS, MAX_FILES, MAX_MESSAGE = 10, 10, 300
"""What is kept of a release's commits, the first ones, and of each."""

Commit = Mapping[str, Any]


def kept(commit: Commit, now: float) -> dict[str, Any]:
    """What the store keeps of a commit as the API takes it; one without a time is of `now`."""
    return {
        "id": commit["id"],
        "message": text(commit["message"], MAX_MESSAGE),
        "author": {"name": text(commit["author_name"]) or None, "email": text(commit["author_email"])},
        "repository": commit["repository"],
        "dateCreated": commit["timestamp"] or iso(now),
        "files": [text(file["path"]) for file in (commit["patch_set"] or ())[:MAX_FILES]],
    }


def of(fields: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """The commits in the stored fields of a release."""
    found: list[dict[str, Any]] = orjson.loads(fields.get(FIELD, b"[]"))
    return found


def shape(commit: Commit) -> dict[str, Any]:
    """Sentry's commit object."""
    repository = commit["repository"]
    return {
        "id": commit["id"],
        "message": commit["message"],
        "dateCreated": commit["dateCreated"],
        "pullRequest": None,
        "suspectCommitType": "",
        "repository": repository and {"id": repository, "name": repository, "dateCreated": commit["dateCreated"]},
        "author": commit["author"],
    }


def suspects(exceptions: Sequence[Mapping[str, Any]], commits: Iterable[Commit]) -> list[Commit]:
    """The commits that changed a file of the application's own in which the last exception was under way."""
    own = {frame["filename"] for frame in exceptions[-1]["frames"] if frame["inApp"]} if exceptions else set()
    return [commit for commit in commits if any(_is(file, name) for file in commit["files"] for name in own)]


def _is(file: str, name: str) -> bool:
    """Whether a file of a repository is the one that a frame calls so: frames leave out where the sources begin."""
    return bool(name) and f"/{file}".endswith(f"/{name}")
