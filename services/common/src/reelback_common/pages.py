"""What pages for browsers have in common: asked for by a name of the service's own, and answered with safe headers."""

from __future__ import annotations

import re
from ipaddress import ip_address

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HEADERS = (
    (b"content-security-policy", b"default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)


class SafeHeaders:
    """ASGI middleware: answers get the headers above that they lack."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to what is answered."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name for name, _ in message["headers"]}
                lacking = [header for header in _HEADERS if header[0] not in present]
                message = {**message, "headers": [*message["headers"], *lacking]}
            await send(message)

        await self._app(scope, receive, with_headers)


def guarded(app: ASGIApp, service: str, more_hosts: str) -> ASGIApp:
    """The application for those who ask for it by address, as localhost or as `service`; 421 for any other Host.

    A page of somebody else whose name suddenly leads here (DNS rebinding) asks by that name, and would be let in by the
    browser as its own. `more_hosts`: names of an ingress, with commas between. Answers have safe headers.
    """
    own = re.compile(rf"localhost|{re.escape(service)}(\.[a-z0-9-]+(\.svc(\.cluster\.local)?)?)?")
    more = {name.strip().lower() for name in more_hosts.split(",") if name.strip()}

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        host = _name(dict(scope["headers"]).get(b"host", b"").decode("latin-1"))
        if own.fullmatch(host) or host in more or _is_address(host):
            await app(scope, receive, send)
        else:
            detail = f"Host: {host[:100]!r} is no name of this server; ALLOWED_HOSTS adds one"
            await JSONResponse({"detail": detail}, 421)(scope, receive, send)

    return SafeHeaders(answer)


def _name(host: str) -> str:
    """A Host header without its port."""
    return re.sub(r":\d*$", "", host).strip("[]").rstrip(".").lower()


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
