"""The release board: pages for people, served from here alone, with data that anybody who reaches them may read."""

from __future__ import annotations

from pathlib import Path

from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from reelback_minisentry.artifacts.stacks import Stacks
from reelback_minisentry.board.data import Board
from reelback_minisentry.responses import Call, answer
from reelback_minisentry.spans import trace_tree
from reelback_minisentry.store.reader import Gone, Reader
from reelback_minisentry.untrusted import hex_id

_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_CACHE = {"Cache-Control": "no-cache"}


def routes(reader: Reader, stacks: Stacks) -> list[Route]:
    """The pages, their files and their data."""
    board = Board(reader, stacks)
    folder = Path(__file__).parent / "static"
    page = (folder / "index.html").read_bytes()
    files = {file.name: file.read_bytes() for file in folder.iterdir() if file.suffix in _TYPES}

    async def index(_: Request) -> Response:
        return Response(page, media_type="text/html", headers=_CACHE)

    async def sentry_trace(request: Request) -> Response:
        return RedirectResponse(f"/trace/{hex_id(request.path_params['id'], 32)}")

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
        return answer(trace_tree.shape(await reader.trace(hex_id(request.path_params["id"], 32))))

    return [
        Route("/", index),
        Route("/issues/{id}", index),
        Route("/trace/{id}", index),
        # Where Sentry has it: a status links to the same address whatever Sentry is asked.
        Route("/organizations/{organization}/performance/trace/{id}/", sentry_trace),
        Route("/organizations/{organization}/issues/{id}/", sentry_issue),
        Route("/board/{name}", file),
        Route("/board/data/overview", _or_503(overview)),
        Route("/board/data/metrics", _or_503(metrics)),
        Route("/board/data/issues/{id}", _or_503(issue)),
        Route("/board/data/trace/{id}", _or_503(trace)),
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
