"""One port in front of the processes of a service that browsers ask: what a Service with an address is on Kubernetes.

Connections go to the processes in turn, and each stays where it went. The processes have ports of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from reelback_local.layout.plan import HOST

CONNECT_SECONDS = 5.0

_CHUNK = 64 * 1024


class Front:
    """The port of one service. Closed until `open`; without a process to lead to, connections are closed at once."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._ports: list[int] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Listen. Raises OSError."""
        self._server = await asyncio.start_server(self._take, HOST, self._port, reuse_address=True)

    async def close(self) -> None:
        """End all connections."""
        if self._server:
            self._server.close()
        for task in tuple(self._connections):
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def lead_to(self, ports: Sequence[int]) -> None:
        """Share out the connections that come from now on among these ports."""
        if set(ports) != set(self._ports):
            self._ports = list(ports)

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._connections.add(task)
            task.add_done_callback(self._connections.discard)
        try:
            if inner := await self._connected():
                async with asyncio.TaskGroup() as both:
                    both.create_task(_pass_on(reader, inner[1]))
                    both.create_task(_pass_on(inner[0], writer))
        finally:
            writer.close()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """A connection to the process whose turn it is, or to the next one that takes it."""
        for _ in range(len(self._ports)):
            self._ports.append(port := self._ports.pop(0))
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(CONNECT_SECONDS):
                    return await asyncio.open_connection(HOST, port)
        return None


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Everything that comes, until it ends; then it ends on the other side, too."""
    with suppress(OSError):
        while chunk := await reader.read(_CHUNK):
            writer.write(chunk)
            await writer.drain()
    writer.close()
