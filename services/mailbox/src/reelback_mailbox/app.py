"""The HTTP side: the inbox as JSON for programs, and as plain pages for people.

What is shown was written by others: the pages escape it, allow no scripts, and show a message's HTML in a frame of
its own that may do nothing.
"""

from __future__ import annotations

import asyncio
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from reelback_mailbox.inbox import KEPT, Inbox, Mail, body
from reelback_mailbox.smtp import MAX_BYTES, REFUSING

_HEADERS = {"Cache-Control": "no-store"}
_PAGE = _HEADERS | {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-src 'self'; frame-ancestors 'none'; "
    "base-uri 'none'; form-action 'none'"
}
_FRAME = _HEADERS | {
    "Content-Security-Policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
}


def create(inbox: Inbox) -> Starlette:
    """The application on an inbox."""
    pages = Environment(loader=PackageLoader("reelback_mailbox", "pages"), autoescape=True, undefined=StrictUndefined)
    style = files("reelback_mailbox").joinpath("pages/style.css").read_bytes()

    def page(name: str, **values: Any) -> Response:
        return Response(pages.get_template(name).render(values), media_type="text/html", headers=_PAGE)

    def mail(request: Request) -> Mail | None:
        return inbox.find(request.path_params["id"])

    async def index(_: Request) -> Response:
        return page("inbox.html", mails=inbox.newest(), kept=KEPT, max_kib=MAX_BYTES // 1024, refusing=REFUSING)

    async def one(request: Request) -> Response:
        found = mail(request)
        if not found:
            return Response("This message is not here (any more).", 404, _HEADERS, "text/plain")
        return page("mail.html", mail=found, body=await asyncio.to_thread(body, found.raw))

    async def frame(request: Request) -> Response:
        found = mail(request)
        html = (await asyncio.to_thread(body, found.raw)).html if found else ""
        return Response(html, media_type="text/html", headers=_FRAME)

    async def stylesheet(_: Request) -> Response:
        return Response(style, media_type="text/css", headers=_HEADERS)

    async def rows(_: Request) -> Response:
        return JSONResponse([_row(each) for each in inbox.newest()], headers=_HEADERS)

    async def row(request: Request) -> Response:
        found = mail(request)
        if not found:
            return JSONResponse({"detail": "no such message"}, 404, _HEADERS)
        parts = await asyncio.to_thread(body, found.raw)
        return JSONResponse({**_row(found), "text": parts.text, "html": parts.html}, headers=_HEADERS)

    async def clear(_: Request) -> Response:
        inbox.clear()
        return Response(status_code=204)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/style.css", stylesheet),
            Route("/messages/{id}", one),
            Route("/messages/{id}/html", frame),
            Route("/api/messages", rows),
            Route("/api/messages", clear, methods=["DELETE"]),
            Route("/api/messages/{id}", row),
        ]
    )


def _row(mail: Mail) -> dict[str, Any]:
    return {
        "id": mail.id,
        "message_id": mail.message_id,
        "from": mail.sender,
        "to": mail.recipients,
        "subject": mail.subject,
        "received_at": mail.received_at.isoformat(timespec="milliseconds"),
    }
