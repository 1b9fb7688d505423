"""The operator's metrics over HTTP: for scrapers, and for nobody who only holds a connection."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress

import httpx2
import pytest
from reelback_operator import metrics, scrapes

from tests.unit.common.waiting import until


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(scrapes, "SECONDS", 0.5)
    async with await scrapes.serve("127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def scraped(port: int) -> bool:
    try:
        async with httpx2.AsyncClient() as http:
            found = await http.get(f"http://127.0.0.1:{port}/metrics")
    except httpx2.TransportError:
        return False
    return found.status_code == 200 and "reelback_failed_ticks" in found.text


async def nothing_more(reader: asyncio.StreamReader) -> None:
    """Return when the connection has ended, on which nothing was said."""
    with suppress(ConnectionError):
        assert await reader.read() == b""


async def test_a_scrape_has_the_figures(port: int) -> None:
    metrics.failed_ticks.inc(0)
    assert await scraped(port)
    async with httpx2.AsyncClient() as http:
        assert (await http.post(f"http://127.0.0.1:{port}/metrics")).status_code == 405


@pytest.mark.parametrize("said", [b"", b"GET /metrics HTTP/1.1\r\nx: "])
async def test_silent_connections_take_no_thread_and_end(port: int, said: bytes) -> None:
    before = set(threading.enumerate())
    async with AsyncExitStack() as stack:
        readers = []
        for _ in range(300):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(said)
            readers.append(reader)
        # One of another test's may end meanwhile.
        assert set(threading.enumerate()) <= before
        await until(lambda: scraped(port))
        async with asyncio.timeout(10):
            await asyncio.gather(*map(nothing_more, readers))


async def test_a_scrape_that_comes_in_pieces_has_as_long_as_any(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    ended = asyncio.create_task(nothing_more(reader))
    try:
        async with asyncio.timeout(10):
            while not ended.done():
                writer.write(b"GET")
                await asyncio.sleep(0.05)
        await ended
    finally:
        writer.close()
