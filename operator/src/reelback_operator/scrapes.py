"""The server of Prometheus metrics: a few connections at a time, none of them for long.

prometheus_client's own makes a thread a connection, and aiohttp waits for a request for ever.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

MOST = 8
"""Connections at a time; one too many is closed at once."""

SECONDS = 2.0
"""How long a scrape may take in all."""

BACKLOG = 32


async def serve(host: str, port: int) -> asyncio.Server:
    """A server that answers every GET with the metrics until it is closed. OSError for a port in use."""
    open_now = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        open_now += 1
        try:
            if open_now <= MOST:
                with suppress(TimeoutError, ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                    async with asyncio.timeout(SECONDS):
                        writer.write(_answer(await reader.readuntil(b"\r\n\r\n")))
                        await writer.drain()
        finally:
            open_now -= 1
            writer.close()

    return await asyncio.start_server(answer, host, port, backlog=BACKLOG)


def _answer(head: bytes) -> bytes:
    good = head.startswith(b"GET ")
    status = "200 OK" if good else "405 Method Not Allowed"
    body = generate_latest() if good else b""
    fields = f"content-type: {CONTENT_TYPE_LATEST}\r\ncontent-length: {len(body)}\r\nconnection: close"
    return f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode() + body
