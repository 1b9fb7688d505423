"""The gateway's application: routes, errors, limits, documentation."""

from __future__ import annotations

from collections.abc import Sequence

from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from reelback_common import debug_endpoints
from reelback_common.pages import SafeHeaders
from starlette.staticfiles import StaticFiles

from reelback_gateway import admin, api, debug, messages, play, problems
from reelback_gateway.backend import Backend
from reelback_gateway.body_limit import BodyLimit

TRACE_HEADERS = ("traceparent", "sentry-trace", "baggage")


def create(backend: Backend, cors_origins: Sequence[str], environment: str) -> FastAPI:
    """The application; browsers of `cors_origins` may call it, and send the headers of their traces.

    It has the debug endpoints where its `environment` has any.
    """
    # FastAPI's own spans would count a connection as one long request, and its own page loads scripts from a CDN,
    # which a closed network does not reach.
    app = FastAPI(
        telemetry={"tracing": False, "metrics": False, "logs": False},
        title="Reelback",
        version="1",
        description="A small slot-game platform. Money is in whole minor units (cents). The WebSocket "
        "`/api/v1/play` takes the same bets as POST /api/v1/spins.",
        docs_url=None,
        redoc_url=None,
    )
    app.state.backend = backend
    app.include_router(api.router)
    app.include_router(messages.router)
    app.include_router(play.router)
    app.include_router(admin.router)
    if debug_endpoints.are_on(environment):
        app.include_router(debug.router)
    problems.install(app)
    app.add_middleware(BodyLimit)
    if cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=cors_origins,
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["authorization", "content-type", *TRACE_HEADERS],
            expose_headers=["retry-after"],
            max_age=600,
        )
    app.add_middleware(SafeHeaders)
    app.mount("/docs", StaticFiles(packages=[("reelback_gateway", "docs")], html=True))
    return app
