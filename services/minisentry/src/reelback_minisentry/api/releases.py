"""Releases and their deploys."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from reelback_minisentry import releases
from reelback_minisentry.api.guard import answer, body, not_found
from reelback_minisentry.editor import Editor
from reelback_minisentry.params import Place, page
from reelback_minisentry.reader import Reader


class Releases:
    """The calls below /releases/."""

    def __init__(self, reader: Reader, editor: Editor) -> None:
        self._reader = reader
        self._editor = editor

    async def all(self, request: Request) -> Response:
        """Newest first; `query` is a part of the version, `environment` one they were deployed to."""
        place, part = Place.of(request.query_params), request.query_params.get("query", "")
        deploys = await self._deploys_by_release()
        found = [
            (version, fields)
            for version, fields in await self._reader.releases()
            if part in version
            and (not place.environments or any(d["environment"] in place.environments for d in deploys[version]))
        ]
        shown, link = page(found, request.url, request.query_params)
        return answer([releases.shape(v, fields, deploys[v]) for v, fields in shown], headers={"Link": link})

    async def create(self, request: Request) -> Response:
        """201, or 208 when it exists; then what the body sets is taken over, as at Sentry."""
        asked = releases.NewRelease.model_validate(await body(request))
        created = await self._editor.save_release(asked.version, releases.stored(asked), time.time())
        return answer(await self._release(asked.version), 201 if created else 208)

    async def get(self, request: Request) -> Response:
        """One release."""
        return answer(await self._release(request.path_params["version"]))

    async def change(self, request: Request) -> Response:
        """Set ref, url, dateReleased, commits."""
        version = request.path_params["version"]
        await self._release(version)
        change = releases.ReleaseChange.model_validate(await body(request))
        await self._editor.save_release(version, releases.stored(change), time.time())
        return answer(await self._release(version))

    async def deploys(self, request: Request) -> Response:
        """The deploys of a release, the last one first."""
        version = request.path_params["version"]
        await self._release(version)
        found = (await self._deploys_by_release())[version]
        shown, link = page(found, request.url, request.query_params)
        return answer([releases.deploy_shape(deploy) for deploy in shown], headers={"Link": link})

    async def deploy(self, request: Request) -> Response:
        """Mark a deploy; dateFinished defaults to now."""
        version = request.path_params["version"]
        await self._release(version)
        asked = releases.NewDeploy.model_validate(await body(request))
        deploy = await self._editor.add_deploy(version, asked, time.time())
        return answer(releases.deploy_shape(deploy), 201)

    async def _release(self, version: str) -> dict[str, Any]:
        fields = await self._reader.release(version)
        if fields is None:
            raise not_found()
        return releases.shape(version, fields, (await self._deploys_by_release())[version])

    async def _deploys_by_release(self) -> defaultdict[str, list[dict[str, Any]]]:
        found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for deploy in await self._reader.deploys():
            found[deploy["release"]].append(deploy)
        return found
