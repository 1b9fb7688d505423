"""Releases and deploys as Sentry's API takes and shows them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, StringConstraints

from reelback_minisentry import release_names
from reelback_minisentry.issues import commits
from reelback_minisentry.timestamps import iso


def _utc(value: object) -> object:
    """A time without a zone is UTC, as at Sentry."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("must be an ISO 8601 time")
    parsed = datetime.fromisoformat(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


Time = Annotated[AwareDatetime, BeforeValidator(_utc)]
Version = Annotated[
    str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True, pattern=r"^[^\r\n\t/\\]+$")
]


class _Body(BaseModel):
    model_config = ConfigDict(extra="ignore")  # Sentry ignores what it does not know, and so do its clients' extras


class ChangedFile(_Body):
    """A file that a commit changed; `type` is A, M or D."""

    path: Annotated[str, Field(max_length=510)]
    type: Annotated[str, Field(max_length=1)]


class NewCommit(_Body):
    """A commit of a release."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    repository: Annotated[str, Field(max_length=64)] | None = None
    message: str | None = None
    author_name: Annotated[str, Field(max_length=128)] | None = None
    author_email: Annotated[str, Field(max_length=200)] | None = None
    timestamp: Time | None = None
    patch_set: list[ChangedFile] | None = None


class ReleaseChange(_Body):
    """The body of PUT /releases/{version}/."""

    ref: Annotated[str, Field(max_length=250)] | None = None
    url: HttpUrl | None = None
    dateReleased: Time | None = None
    commits: Annotated[list[NewCommit], Field(max_length=1000)] | None = None
    refs: Annotated[list[dict[str, Any]], Field(max_length=100)] | None = None


class NewRelease(ReleaseChange):
    """The body of POST /releases/."""

    version: Version
    projects: Annotated[list[str | int], Field(min_length=1, max_length=100)]


class NewDeploy(_Body):
    """The body of POST /releases/{version}/deploys/."""

    environment: Annotated[str, Field(min_length=1, max_length=64)]
    name: Annotated[str, Field(max_length=64)] | None = None
    url: HttpUrl | None = None
    dateStarted: Time | None = None
    dateFinished: Time | None = None
    projects: list[str | int] | None = None


def stored(change: ReleaseChange, now: float) -> dict[str, bytes]:
    """The fields that a body sets, as the store keeps them."""
    given = change.model_dump(mode="json", exclude_unset=True, exclude={"version", "commits", "projects"})
    if change.commits is not None:
        given["commits"] = len(change.commits)
        first = change.commits[: commits.MAX_COMMITS]
        given[commits.FIELD] = [commits.kept(commit.model_dump(mode="json"), now) for commit in first]
    if isinstance(change, NewRelease):
        given["projects"] = [str(project) for project in change.projects]
    return {name: orjson.dumps(value) for name, value in given.items()}


def stored_deploy(release: str, body: NewDeploy, now: float) -> tuple[dict[str, Any], float]:
    """A deploy as it is kept, without its id, and when it was finished."""
    finished = body.dateFinished.timestamp() if body.dateFinished else now
    deploy = {
        "release": release,
        "environment": body.environment,
        "name": body.name,
        "url": str(body.url) if body.url else None,
        "dateStarted": iso(body.dateStarted.timestamp()) if body.dateStarted else None,
        "dateFinished": iso(finished),
    }
    return deploy, finished


def shape(version: str, fields: Mapping[str, bytes], deploys: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Sentry's release object. `deploys`: those of this release, the last one first."""
    own = [deploy_shape(deploy) for deploy in deploys]
    known = [commits.shape(commit) for commit in commits.of(fields)]

    def given(name: str, default: object = None) -> Any:
        return orjson.loads(fields[name]) if name in fields else default

    return {
        "id": int.from_bytes(hashlib.blake2b(version.encode(), digest_size=6).digest(), "big"),
        "version": version,
        "shortVersion": version,
        "status": "open",
        "versionInfo": release_names.info(version),
        "ref": given("ref"),
        "url": given("url"),
        "dateReleased": given("dateReleased"),
        "dateCreated": iso(float(fields["created"])),
        "data": {},
        "newGroups": 0,
        "owner": None,
        "commitCount": given("commits", 0),
        "lastCommit": known[0] if known else None,
        "deployCount": len(own),
        "lastDeploy": own[0] if own else None,
        "authors": list({commit["author"]["email"]: commit["author"] for commit in known}.values()),
        "projects": [
            {
                "id": index,
                "slug": name,
                "name": name,
                "newGroups": 0,
                "platform": "other",
                "platforms": [],
                "hasHealthData": False,
            }
            for index, name in enumerate(given("projects", []), 1)
        ],
        "firstEvent": iso(float(fields["first_event"])) if "first_event" in fields else None,
        "lastEvent": iso(float(fields["last_event"])) if "last_event" in fields else None,
        "currentProjectMeta": {},
        "userAgent": None,
    }


def deploy_shape(deploy: Mapping[str, Any]) -> dict[str, Any]:
    """Sentry's deploy object."""
    return {name: deploy[name] for name in ("id", "environment", "dateStarted", "dateFinished", "name", "url")}
