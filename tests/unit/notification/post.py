"""A mailbox in the test's process, that can go away and come back; the real one, as it takes mail."""

from __future__ import annotations

import asyncio

from reelback_mailbox import smtp
from reelback_mailbox.inbox import Inbox, Mail, body

from tests.unit.common.ports import free_port


class Post:
    """Mail that has arrived, while it was open."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self._port = free_port()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._port}"

    async def open(self) -> None:
        self._server = await smtp.listen(self.inbox, "127.0.0.1", self._port)

    def close(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    def to(self, address: str) -> list[Mail]:
        return [mail for mail in self.inbox.newest() if mail.recipients == (address,)]

    @staticmethod
    def text(mail: Mail) -> str:
        return body(mail.raw).text
