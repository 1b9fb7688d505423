"""Connections of an HTTP server that end: who connects and says little or nothing does not stay.

Uvicorn waits for a request for ever. Enough of such connections take every descriptor of the process, and the event
loop then says so in the log, thousands of times a second.
"""

from __future__ import annotations

import asyncio
import resource
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS, BODY_SECONDS = 10.0, 20.0
"""How long a request's head, and its body, may take to arrive."""

HEAD_BYTES = 32 * 1024

MOST = 4_000
RESERVED = 128
"""Connections at one time; a process that may open fewer files keeps some for everything else it opens."""


class Connection(HttpToolsProtocol):
    """Uvicorn's connection, with a limit to its number, to a head's size, and to waiting."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._end: asyncio.TimerHandle | None = None
        self._head = 0
        """Bytes since the last head was complete; negative while none is awaited."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take it, or leave it when there are too many."""
        super().connection_made(transport)
        if len(self.connections) > min(MOST, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - RESERVED):
            transport.abort()
        else:
            self._wait(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        if self._head >= 0:
            self._head += len(data)
            if self._head > HEAD_BYTES + len(data):
                self.transport.abort()
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head = 0
        self._wait(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        """The head is there."""
        self._head = -1
        self._wait(BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The body is there."""
        self._stop()
        super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """Another protocol takes over."""
        self._stop()
        super().handle_websocket_upgrade()

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._end = self.loop.call_later(seconds, self.transport.abort)

    def _stop(self) -> None:
        if self._end:
            self._end.cancel()
            self._end = None
