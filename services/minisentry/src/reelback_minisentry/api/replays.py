"""Replays and their recordings."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from reelback_minisentry.api.guard import not_found
from reelback_minisentry.api.projects import Projects
from reelback_minisentry.query.parameters import links, offset, page, page_size, window
from reelback_minisentry.query.search import BadQuery, parse
from reelback_minisentry.replays import replay
from reelback_minisentry.replays.archive import Archive
from reelback_minisentry.responses import answer
from reelback_minisentry.timestamps import seconds
from reelback_minisentry.untrusted import hex_id


class Replays:
    """The calls /replays/ of the organization, and those below /replays/{id}/ of a project."""

    def __init__(self, archive: Archive, projects: Projects) -> None:
        self._archive = archive
        self._projects = projects

    async def all(self, request: Request) -> Response:
        """Replays that fit the query, those of the last 14 days by default, the last begun first."""
        query = request.query_params
        span, place = window(query), await self._projects.place(query)
        wanted = parse(query.get("query", ""), replay.SEARCHED, replay.ALIASES, stars=False)
        by = query.get("sort") or query.get("orderBy") or "-started_at"
        key = by.removeprefix("-")
        if key not in replay.SORTED:
            raise BadQuery(f"sort: {key!r} is not one of {', '.join(replay.SORTED)}")
        found = [
            row
            for row in await self._archive.newest()
            if place.holds(row["environment"] or "", row["project_id"])
            and span.start <= (seconds(row["finished_at"]) or 0)
            and (seconds(row["started_at"]) or 0) < span.end
            and wanted(replay.searched(row))
        ]
        found.sort(key=lambda row: row[key], reverse=by.startswith("-"))
        shown, link = page(found, request.url, query)
        return answer({"data": [_fields(row, query.getlist("field")) for row in shown]}, headers={"Link": link})

    async def get(self, request: Request) -> Response:
        """One replay."""
        return answer({"data": _fields(await self._replay(request), request.query_params.getlist("field"))})

    async def recordings(self, request: Request) -> Response:
        """What was recorded, segment by segment; a page is shorter than asked for where it would be too large."""
        found, query = await self._replay(request), request.query_params
        await self._check(request, found)
        numbers, at = await self._archive.numbers(found["id"]), offset(query)
        shown = await self._archive.recordings(found["id"], numbers[at : at + page_size(query)])
        headers = {"Link": links(request.url, at, len(shown) or page_size(query), len(numbers))}
        return Response(b"[" + b",".join(shown) + b"]", 200, headers, "application/json")

    async def recording(self, request: Request) -> Response:
        """What is known of one segment."""
        found, number = await self._replay(request), request.path_params["segment"]
        await self._check(request, found)
        if not number.isdigit() or int(number) not in await self._archive.numbers(found["id"]):
            raise not_found()
        about = {"replayId": found["id"], "segmentId": int(number), "projectId": found["project_id"]}
        return answer({"data": {**about, "dateAdded": found["finished_at"]}})

    async def _replay(self, request: Request) -> dict[str, Any]:
        if found := await self._archive.replay(hex_id(request.path_params["replay"], 32)):
            return found
        raise not_found()

    async def _check(self, request: Request, found: dict[str, Any]) -> None:
        """Raises Rejected for a replay of another project than the path names."""
        if self._projects.names.id_of(request.path_params["project"]) != found["project_id"]:
            raise not_found()


def _fields(row: dict[str, Any], wanted: list[str]) -> dict[str, Any]:
    return {name: row[name] for name in wanted if name in row} if wanted else row
