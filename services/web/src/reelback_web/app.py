"""The HTTP side: files as they were built, the settings of the pages, and the tunnel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reelback_common.pages import SafeHeaders
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reelback_web.files import File
from reelback_web.peers import ASKED_BY_PEER, Peers
from reelback_web.tunnel import Tunnel


def create(
    files: Mapping[str, File], settings: Mapping[str, Any], gateway: str, tunnel: Tunnel, peers: Peers
) -> SafeHeaders:
    """The application. `gateway` is the host and port that pages may call beside their own; "" for none.

    A page and its settings are one answer, and so of one release, whichever processes answer the next requests.
    """
    page = files["/"].told(settings)
    files = {**files, "/": page, "/index.html": page}
    page_headers = {"Content-Security-Policy": policy(gateway), "Cross-Origin-Opener-Policy": "same-origin"}

    async def told(_: Request) -> Response:
        return JSONResponse(settings, headers={"Cache-Control": "no-store"})

    async def file(request: Request) -> Response:
        path = request.url.path
        found = files.get(path)
        if not found and ASKED_BY_PEER not in request.headers and (body := await peers.file(path)) is not None:
            found = File.of(path, {"": body}, hashed=True)
        if not found:
            return Response("There is no such page.", 404, media_type="text/plain")
        encoding = found.best(request.headers.get("accept-encoding", ""))
        headers = page_headers | {
            "Cache-Control": found.cache,
            "ETag": f'"{found.etag}{encoding and f"-{encoding}"}"',
            "Vary": "Accept-Encoding",
        }
        if headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        if encoding:
            headers["Content-Encoding"] = encoding
        return Response(found.bodies[encoding], headers=headers, media_type=found.media_type)

    return SafeHeaders(
        Starlette(
            routes=[
                Route("/settings.json", told),
                Route("/telemetry", tunnel.take, methods=["POST"]),
                Route("/{path:path}", file),
            ]
        )
    )


def policy(gateway: str) -> str:
    """What pages may load and call: their own origin, and the gateway in the page's own scheme."""
    called = " ".join(["'self'", *([gateway, f"ws://{gateway}", f"wss://{gateway}"] if gateway else [])])
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        f"connect-src {called}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'"
    )
