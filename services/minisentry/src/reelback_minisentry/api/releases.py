"""Releases and their deploys."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from reelback_minisentry.api import release_shapes
from reelback_minisentry.api.guard import body, not_found
from reelback_minisentry.api.projects import Projects
from reelback_minisentry.issues import commits
from reelback_minisentry.query.parameters import page
from reelback_minisentry.responses import answer
from reelback_minisentry.store.edits import Edits
from reelback_minisentry.store.reader import Reader


class Releases:
    """The calls below /releases/."""

    def __init__(self, reader: Reader, edits: Edits, projects: Projects) -> None:
        self._reader = reader
        self._projects = projects
        self._edits = edits

    async def all(self, request: Request) -> Response:
        """Newest first; `query` is a part of the version, `environment` one they were deployed to."""
        place, part = await self._projects.place(request.query_params), request.query_params.get("query", "")
        deploys = await self._deploys_by_release()
        found = [
            (version, fields)
            for version, fields in await self._reader.releases()
            if part in version
            and (not place.environments or any(d["environment"] in place.environments for d in deploys[version]))
        ]
        shown, link = page(found, request.url, request.query_params)
        return answer([release_shapes.shape(v, fields, deploys[v]) for v, fields in shown], headers={"Link": link})

    async def create(self, request: Request) -> Response:
        """201, or 208 when it exists; then what the body sets is taken over, as at Sentry."""
        asked = release_shapes.NewRelease.model_validate(await body(request))
        now = time.time()
        created = await self._edits.save_release(asked.version, release_shapes.stored(asked, now), now)
        return answer(await self._release(asked.version), 201 if created else 208)

    async def get(self, request: Request) -> Response:
        """One release."""
        return answer(await self._release(request.path_params["version"]))

    async def change(self, request: Request) -> Response:
        """Set ref, url, dateReleased, commits."""
        version = request.path_params["version"]
        await self._release(version)
        change = release_shapes.ReleaseChange.model_validate(await body(request))
        now = time.time()
        await self._edits.save_release(version, release_shapes.stored(change, now), now)
        return answer(await self._release(version))

    async def commits(self, request: Request) -> Response:
        """The commits of a release, as far as they are kept."""
        fields = await self._reader.release(request.path_params["version"])
        if fields is None:
            raise not_found()
        shown, link = page(commits.of(fields), request.url, request.query_params)
        return answer([commits.shape(commit) for commit in shown], headers={"Link": link})

    async def deploys(self, request: Request) -> Response:
        """The deploys of a release, the last one first."""
        version = request.path_params["version"]
        await self._release(version)
        found = (await self._deploys_by_release())[version]
        shown, link = page(found, request.url, request.query_params)
        return answer([release_shapes.deploy_shape(deploy) for deploy in shown], headers={"Link": link})

    async def deploy(self, request: Request) -> Response:
        """Mark a deploy; dateFinished defaults to now."""
        version = request.path_params["version"]
        await self._release(version)
        asked = release_shapes.NewDeploy.model_validate(await body(request))
        deploy = await self._edits.add_deploy(*release_shapes.stored_deploy(version, asked, time.time()))
        return answer(release_shapes.deploy_shape(deploy), 201)

    async def _release(self, version: str) -> dict[str, Any]:
        fields = await self._reader.release(version)
        if fields is None:
            raise not_found()
        return release_shapes.shape(version, fields, (await self._deploys_by_release())[version])

    async def _deploys_by_release(self) -> defaultdict[str, list[dict[str, Any]]]:
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for deploy in await self._reader.deploys():
            found[deploy["release"]].append(deploy)
        return found
