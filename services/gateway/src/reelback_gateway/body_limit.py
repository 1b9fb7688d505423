"""No request is larger than what any route needs."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from reelback_gateway.problems import Problem

MAX_BODY = 16 * 1024
"""Bytes."""


class BodyLimit:
    """ASGI middleware: a body that is too large is refused as soon as that is known, with problem 413."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MAX_BODY:
            await _too_large().response()(scope, receive, send)
            return
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY:
                raise _too_large()
            return message

        await self._app(scope, counted, send)


def _too_large() -> Problem:
    return Problem(413, f"a body has at most {MAX_BODY} bytes")
