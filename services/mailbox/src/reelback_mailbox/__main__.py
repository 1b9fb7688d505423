"""Mailbox as a process: SMTP in, HTTP out."""

from __future__ import annotations

import asyncio

from reelback_common import asgi, pages, settings, telemetry

from reelback_mailbox import app, smtp
from reelback_mailbox.inbox import Inbox


class Settings(settings.ServiceSettings):
    """The variables of mailbox; HTTP is on PORT; ALLOWED_HOSTS are names of an ingress to it."""

    smtp_port: settings.Port
    allowed_hosts: str = ""


async def serve(options: Settings) -> None:
    """Serve until told to end; what has arrived is forgotten then."""
    inbox = Inbox()
    try:
        server = await smtp.listen(inbox, options.host, options.smtp_port)
    except OSError as error:
        raise SystemExit(f"SMTP_PORT {options.smtp_port}: {error.strerror or error}") from None

    async def ready() -> None:
        """It listens for both from the start, and needs nobody."""

    try:
        await asgi.serve("mailbox", options, pages.guarded(app.create(inbox), "mailbox", options.allowed_hosts), ready)
    finally:
        server.close()


if __name__ == "__main__":
    options = settings.load(Settings)
    with telemetry.start("mailbox", options):
        asyncio.run(serve(options))
