"""The application for people and programs that ask: health, Sentry's API and the release board."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reelback_common import readiness
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reelback_minisentry import api, board
from reelback_minisentry.artifacts.stacks import Stacks
from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.replays.archive import Archive
from reelback_minisentry.responses import answer
from reelback_minisentry.settings import Settings
from reelback_minisentry.store.reader import Reader

if TYPE_CHECKING:
    from redis.asyncio import Redis


def create(redis: Redis, stacks: Stacks, settings: Settings, draining: asyncio.Event) -> Starlette:
    """The application. `draining` makes it unready."""
    reader, archive = Reader(redis), Archive(redis)
    names = ProjectNames(settings.minisentry_projects)
    token = settings.minisentry_token.get_secret_value()

    async def healthz(_: Request) -> Response:
        return answer({"status": "ok"})

    async def readyz(_: Request) -> Response:
        reason = "draining" if draining.is_set() else await readiness.problem(reader.ping)
        return answer({"status": "not ready", "reason": reason}, 503) if reason else answer({"status": "ok"})

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            *api.routes(redis, archive, stacks, names, token),
            *board.routes(redis, names, archive, stacks, settings.player_folder),
        ],
        exception_handlers={404: _unknown, 405: _not_allowed},
    )


async def _unknown(request: Request, _: Exception) -> Response:
    return answer({"detail": f"{request.url.path}: there is no such call"}, 404)


async def _not_allowed(request: Request, _: Exception) -> Response:
    return answer({"detail": f'Method "{request.method}" not allowed.'}, 405)
