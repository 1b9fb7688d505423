"""The release board: pages for people, served from here alone, with data that anybody who reaches them may read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from reelback_minisentry.artifacts.stacks import Stacks
from reelback_minisentry.board.data import Board
from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.replays.archive import Archive
from reelback_minisentry.responses import Call, answer
from reelback_minisentry.spans import trace_tree
from reelback_minisentry.store.reader import Gone, Reader
from reelback_minisentry.untrusted import hex_id

if TYPE_CHECKING:
    from redis.asyncio import Redis

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_CACHE = {"Cache-Control": "no-cache"}
_PLAYER = {"player.js": "rrweb-player.js", "player.css": "style.css"}

_REPLAY_POLICY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data:; font-src data:; frame-src 'none'; "
        "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
    )
}
"""A replay is a page of styles that somebody sent, in a frame without scripts. It loads nothing from anywhere."""


def routes(redis: Redis, names: ProjectNames, archive: Archive, stacks: Stacks, player: Path | None) -> list[Route]:
    """The pages, their files and their data. `player`: the folder of rrweb's player."""
    reader, board = Reader(redis), Board(redis, names, archive, stacks)
    folder = Path(__file__).parent / "static"
    page = (folder / "index.html").read_bytes()
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in _TYPES}
    if player:
        files |= {name: (player / file).read_bytes() for name, file in _PLAYER.items()}

    async def index(_: Request) -> Response:
        return Response(page, media_type="text/html", headers=_CACHE)

    async def replay_page(_: Request) -> Response:
        return Response(page, media_type="text/html", headers=_CACHE | _REPLAY_POLICY)

    async def sentry_trace(request: Request) -> Response:
        return RedirectResponse(f"/trace/{hex_id(request.path_params['id'], 32)}")

    async def sentry_issues(request: Request) -> Response:
        # Of issues the board lists the newest; those of a trace stand on its page.
        trace = request.query_params.get("query", "").removeprefix("trace:")
        return RedirectResponse(f"/trace/{found}" if (found := hex_id(trace, 32)) else "/")

    async def sentry_issue(request: Request) -> Response:
        number = request.path_params["id"]
        return RedirectResponse(f"/issues/{number if number.isdigit() else 0}")

    async def file(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in files:
            return answer({"detail": "no such file"}, 404)
        return Response(files[name], media_type=_TYPES[Path(name).suffix], headers=_CACHE)

    async def overview(request: Request) -> Response:
        query = request.query_params
        return answer(await board.overview(query.get("service", "")[:200], query.get("environment", "")[:64]))

    async def metrics(request: Request) -> Response:
        return answer(await board.metrics(request.query_params.get("environment", "")[:64]))

    async def issue(request: Request) -> Response:
        found = await board.issue(request.path_params["id"])
        return answer(found) if found else answer({"detail": "This issue is not known (any more)."}, 404)

    async def trace(request: Request) -> Response:
        return answer(trace_tree.shape(await reader.trace(hex_id(request.path_params["id"], 32)), names))

    async def replay(request: Request) -> Response:
        found = await board.replay(hex_id(request.path_params["id"], 32))
        return answer(found) if found else answer({"detail": "This replay is not known (any more)."}, 404)

    async def recording(request: Request) -> Response:
        parameters = request.path_params
        events = await board.recording(hex_id(parameters["id"], 32), parameters["segment"])
        if events is None:
            return answer({"detail": "This part of the recording is not here (any more)."}, 404)
        return Response(events, media_type="application/json")

    async def sentry_replay(request: Request) -> Response:
        return RedirectResponse(f"/replays/{hex_id(request.path_params['id'], 32)}")

    return [
        Route("/", index),
        Route("/issues/{id}", index),
        Route("/trace/{id}", index),
        # Where Sentry has it: a status links to the same address whatever Sentry is asked.
        Route("/organizations/{organization}/performance/trace/{id}/", sentry_trace),
        Route("/organizations/{organization}/issues/", sentry_issues),
        Route("/organizations/{organization}/issues/{id}/", sentry_issue),
        Route("/replays/{id}", replay_page),
        Route("/organizations/{organization}/replays/{id}/", sentry_replay),
        Route("/board/{name}", file),
        Route("/board/data/overview", _or_503(overview)),
        Route("/board/data/metrics", _or_503(metrics)),
        Route("/board/data/issues/{id}", _or_503(issue)),
        Route("/board/data/trace/{id}", _or_503(trace)),
        Route("/board/data/replays/{id}", _or_503(replay)),
        Route("/board/data/replays/{id}/{segment}", _or_503(recording)),
    ]


def _or_503(call: Call) -> Call:
    async def endpoint(request: Request) -> Response:
        try:
            return await call(request)
        except Gone as error:
            return answer({"detail": str(error)}, 503)
        except (RedisError, OSError, TimeoutError):
            return answer({"detail": "The store does not answer."}, 503)

    return endpoint
