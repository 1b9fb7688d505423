"""An HTTP server whose connections end: who connects and says little or nothing does not stay.

Uvicorn waits for a request for ever. Enough of such connections take every descriptor of the process, and the event
loop then says so in the log, thousands of times a second.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS, BODY_SECONDS = 10.0, 20.0
"""How long a request's head, and its body, may take to arrive."""

HEAD_BYTES = 32 * 1024

MOST = 4_000
RESERVED = 128
"""Connections of a server at one time. A process has at most two servers, and so many files for what else it opens."""

BACKLOG = RESERVED // 2
"""Connections that wait to be accepted. asyncio accepts as many in one go, while those of the last go that are too many
are not closed yet; when no descriptor is left it goes on trying, with a traceback in the log each time."""


class Server(uvicorn.Server):
    """Uvicorn without its own signal handlers: the drain comes first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to who drains."""
        yield


_waiting: dict[Connection, None] = {}
"""The connections of this process that nobody works for, the longest waiting first."""


class Connection(HttpToolsProtocol):
    """Uvicorn's connection, with a limit to its number, to a head's size, and to waiting: a timer runs whenever the
    application has no request of this connection to answer. Of too many, the one that has waited longest goes."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self._end: asyncio.TimerHandle | None = None
        self._head = 0
        """Bytes since the last head was complete; negative while none is awaited."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for a request; one too many has another one go, or itself when all others are worked for."""
        super().connection_made(transport)
        self._wait(HEAD_SECONDS)
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if len(self.connections) > min(MOST, (files - RESERVED) // 2):
            next(iter(_waiting))._leave()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        if self._head >= 0:
            self._head += len(data)
            if self._head > HEAD_BYTES + len(data):
                self._leave()
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
        """The body is there, maybe after its answer."""
        self._stop()
        super().on_message_complete()
        if self.cycle and self.cycle.response_complete:
            self._wait(HEAD_SECONDS)

    def on_response_complete(self) -> None:
        """The answer is there. Uvicorn's own timer ends with the next byte, were it a line feed."""
        super().on_response_complete()
        if self._end is None and self.cycle.response_complete and not self.transport.is_closing():
            self._wait(HEAD_SECONDS)

    def handle_websocket_upgrade(self) -> None:
        """Another protocol takes over."""
        self._stop()
        super().handle_websocket_upgrade()

    def _wait(self, seconds: float) -> None:
        self._stop()
        self._end = self.loop.call_later(seconds, self._leave)
        _waiting[self] = None

    def _leave(self) -> None:
        self._stop()
        self.transport.abort()

    def _stop(self) -> None:
        _waiting.pop(self, None)
        if self._end:
            self._end.cancel()
            self._end = None
