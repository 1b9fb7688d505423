"""Sentry's API for what is stored: the calls a rollout needs, with Sentry's paths, parameters, shapes and statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.routing import Route

from reelback_minisentry.api.artifacts import Artifacts
from reelback_minisentry.api.events import Events
from reelback_minisentry.api.guard import guarded
from reelback_minisentry.api.issues import Issues
from reelback_minisentry.api.projects import Projects
from reelback_minisentry.api.releases import Releases
from reelback_minisentry.api.replays import Replays
from reelback_minisentry.api.reports import Reports
from reelback_minisentry.artifacts.stacks import Stacks
from reelback_minisentry.artifacts.uploads import Uploads
from reelback_minisentry.issues.attachments import Attachments
from reelback_minisentry.issues.feedback import FeedbackList
from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.replays.archive import Archive
from reelback_minisentry.store.edits import Edits
from reelback_minisentry.store.reader import Reader

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX = "/api/0/organizations/{org}"
PROJECT = "/api/0/projects/{org}/{project}"


def routes(redis: Redis, archive: Archive, stacks: Stacks, names: ProjectNames, token: str) -> list[Route]:
    """Every call; each asks for the bearer token."""
    reader, edits = Reader(redis), Edits(redis)
    projects, artifacts = Projects(reader, names), Artifacts(Uploads(redis))
    releases, events = Releases(reader, edits, projects), Events(reader, projects)
    issues, replays = Issues(reader, edits, projects, stacks), Replays(archive, projects)
    reports = Reports(Attachments(redis), FeedbackList(redis, reader), projects)
    table = [
        ("GET", PREFIX + "/projects/", projects.all),
        ("GET", PREFIX + "/releases/", releases.all),
        ("POST", PREFIX + "/releases/", releases.create),
        ("GET", PREFIX + "/releases/{version}/", releases.get),
        ("PUT", PREFIX + "/releases/{version}/", releases.change),
        ("GET", PREFIX + "/releases/{version}/commits/", releases.commits),
        ("GET", PREFIX + "/releases/{version}/deploys/", releases.deploys),
        ("POST", PREFIX + "/releases/{version}/deploys/", releases.deploy),
        ("GET", PREFIX + "/events/", events.table),
        ("GET", PREFIX + "/events-timeseries/", events.timeseries),
        ("GET", PREFIX + "/sessions/", events.sessions),
        ("GET", PREFIX + "/issues/", issues.all),
        ("GET", PREFIX + "/issues/{issue}/", issues.get),
        ("PUT", PREFIX + "/issues/{issue}/", issues.change),
        ("GET", PREFIX + "/issues/{issue}/events/latest/", issues.latest_event),
        ("GET", PREFIX + "/trace/{trace}/", issues.trace),
        ("GET", PREFIX + "/chunk-upload/", artifacts.options),
        ("POST", PREFIX + "/chunk-upload/", artifacts.upload),
        ("POST", PREFIX + "/artifactbundle/assemble/", artifacts.assemble),
        ("GET", PREFIX + "/replays/", replays.all),
        ("GET", PREFIX + "/replays/{replay}/", replays.get),
        ("GET", PROJECT + "/events/{event}/attachments/", reports.attachments),
        ("GET", PROJECT + "/events/{event}/attachments/{attachment}/", reports.attachment),
        ("GET", PROJECT + "/user-feedback/", reports.feedback),
        ("GET", PROJECT + "/replays/{replay}/recording-segments/", replays.recordings),
        ("GET", PROJECT + "/replays/{replay}/recording-segments/{segment}/", replays.recording),
    ]
    return [Route(path, guarded(call, token), methods=[method]) for method, path, call in table]
