"""Sentry's API for what is stored: the calls a rollout needs, with Sentry's paths, parameters, shapes and statuses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.routing import Route

from reelback_minisentry.api.artifacts import Artifacts
from reelback_minisentry.api.events import Events
from reelback_minisentry.api.guard import guarded
from reelback_minisentry.api.issues import Issues
from reelback_minisentry.api.projects import Projects
from reelback_minisentry.api.releases import Releases
from reelback_minisentry.artifacts.stacks import Stacks
from reelback_minisentry.artifacts.uploads import Uploads
from reelback_minisentry.store.edits import Edits
from reelback_minisentry.store.reader import Reader

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX = "/api/0/organizations/{org}"


def routes(redis: Redis, stacks: Stacks, slugs: Mapping[str, str], token: str) -> list[Route]:
    """Every call; each asks for the bearer token. `slugs` are the names of projects by id."""
    reader, edits = Reader(redis), Edits(redis)
    projects, artifacts = Projects(reader, slugs), Artifacts(Uploads(redis))
    releases, events = Releases(reader, edits, projects), Events(reader, projects)
    issues = Issues(reader, edits, projects, stacks)
    table = [
        ("GET", "/projects/", projects.all),
        ("GET", "/releases/", releases.all),
        ("POST", "/releases/", releases.create),
        ("GET", "/releases/{version}/", releases.get),
        ("PUT", "/releases/{version}/", releases.change),
        ("GET", "/releases/{version}/commits/", releases.commits),
        ("GET", "/releases/{version}/deploys/", releases.deploys),
        ("POST", "/releases/{version}/deploys/", releases.deploy),
        ("GET", "/events/", events.table),
        ("GET", "/events-timeseries/", events.timeseries),
        ("GET", "/sessions/", events.sessions),
        ("GET", "/issues/", issues.all),
        ("GET", "/issues/{issue}/", issues.get),
        ("PUT", "/issues/{issue}/", issues.change),
        ("GET", "/issues/{issue}/events/latest/", issues.latest_event),
        ("GET", "/trace/{trace}/", issues.trace),
        ("GET", "/chunk-upload/", artifacts.options),
        ("POST", "/chunk-upload/", artifacts.upload),
        ("POST", "/artifactbundle/assemble/", artifacts.assemble),
    ]
    return [Route(PREFIX + path, guarded(call, token), methods=[method]) for method, path, call in table]
