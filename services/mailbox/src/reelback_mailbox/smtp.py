"""The SMTP side: takes whatever comes, except for two domains that refuse as real servers do."""

from __future__ import annotations

import asyncio
import logging

from aiosmtpd.smtp import SMTP, Envelope, Session

from reelback_mailbox.inbox import Inbox

MAX_BYTES = 1024 * 1024
MAX_RECIPIENTS = 100
IDLE_SECONDS = 60.0

REFUSING = {
    "refuse.invalid": "550 5.1.1 no such mailbox",
    "busy.invalid": "451 4.3.2 busy, try again later",
}
"""What is answered for recipients in these domains, for trying out what a sender makes of it."""


class Handler:
    """What aiosmtpd asks; the names are its own."""

    def __init__(self, inbox: Inbox) -> None:
        self._inbox = inbox

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """A recipient."""
        if refusal := REFUSING.get(address.rpartition("@")[2].lower()):
            return refusal
        if len(envelope.rcpt_tos) >= MAX_RECIPIENTS:
            return "452 4.5.3 too many recipients"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """A message, not larger than MAX_BYTES."""
        content = envelope.content
        assert isinstance(content, bytes)  # noqa: S101 - aiosmtpd decodes only when told to
        self._inbox.add(envelope.mail_from or "", envelope.rcpt_tos, content)
        return "250 2.0.0 OK"


async def listen(inbox: Inbox, host: str, port: int) -> asyncio.Server:
    """An SMTP server that fills the inbox, on this event loop. Raises OSError for a port in use."""
    logging.getLogger("mail.log").setLevel(logging.WARNING)  # it would log every address
    loop = asyncio.get_running_loop()
    handler = Handler(inbox)

    def connection() -> SMTP:
        # Without a name of its own it would ask the DNS for one, while everybody waits.
        return SMTP(
            handler,
            data_size_limit=MAX_BYTES,
            enable_SMTPUTF8=True,
            hostname="mailbox",
            ident="reelback",
            timeout=IDLE_SECONDS,
            loop=loop,
        )

    return await loop.create_server(connection, host, port)
