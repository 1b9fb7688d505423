"""Connections that say nothing: they end, and take nothing from others."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator

import httpx2
import pytest
import uvicorn
from reelback_common import connections, metrics
from reelback_common.connections import Connection
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.unit.common.waiting import until


async def echo(request: Request) -> Response:
    return PlainTextResponse(await request.body())


gate = asyncio.Barrier(3)


async def slow(request: Request) -> Response:
    await gate.wait()
    return PlainTextResponse("")


@pytest.fixture
async def port() -> AsyncIterator[int]:
    app = Starlette(routes=[Route("/", echo, methods=["GET", "POST"]), Route("/slow", slow)])
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        server = uvicorn.Server(uvicorn.Config(app, http=Connection, log_config=None))
        task = asyncio.create_task(server.serve([listener]))
        yield listener.getsockname()[1]
        server.should_exit = True
        await task


async def closed(port: int, sent: bytes) -> bool:
    """Whether a connection on which only this is sent is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    try:
        async with asyncio.timeout(10):
            while await reader.read(65_536):
                pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    finally:
        writer.close()
    return True


HEAD = b"POST / HTTP/1.1\r\nhost: it\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET",
        HEAD,
        HEAD + b"content-length: 10\r\n\r\nhalf",
        HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nab",
        HEAD + b"content-length: 2\r\n\r\nokPOST / HT",  # one that is whole, and half of another
        HEAD + b"".join(b"x-%d: %s\r\n" % (number, b"y" * 1000) for number in range(100)),
    ],
)
async def test_what_does_not_come_is_not_waited_for(port: int, sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(connections, "BODY_SECONDS", 0.3)
    assert await closed(port, sent)


async def test_beside_hundreds_of_silent_connections_others_are_answered(port: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(400):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            stack.callback(writer.close)
            writer.write(HEAD)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
            for number in range(20):
                assert (await http.post("/", content=str(number))).text == str(number)


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\nhost: it\r\n\r\n",
        b"GET /nothing HTTP/1.1\r\nhost: it\r\ncontent-length: 2\r\n\r\n",  # answered before its body is there
    ],
)
async def test_after_an_answer_nothing_but_a_request_keeps_a_connection(
    port: int, first: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    async with asyncio.timeout(10):
        assert await reader.readuntil(b"\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while not writer.transport.is_closing():
                writer.write(b"\r\n")
                await asyncio.sleep(0.05)
    writer.close()


async def test_one_too_many_has_the_longest_waiting_go(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 5)
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
    async with httpx2.AsyncClient() as http, asyncio.timeout(10):
        assert (await http.get(f"http://127.0.0.1:{port}/")).status_code == 200
        with contextlib.suppress(ConnectionError):
            assert await held[0][0].read() == b""
    assert not held[1][0].at_eof()
    for _, writer in held:
        writer.close()


async def test_one_too_many_is_left_when_all_others_are_worked_for(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 2)
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        answers = [asyncio.create_task(http.get("/slow")) for _ in range(2)]

        async def both_work() -> bool:
            return gate.n_waiting == 2

        await until(both_work)
        assert await closed(port, b"GET / HTTP/1.1\r\nhost: it\r\n\r\n")
        await gate.wait()
        assert [answer.status_code for answer in await asyncio.gather(*answers)] == [200, 200]


async def test_silent_scrapes_take_few_threads_and_no_scrape_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics._Handler, "timeout", 0.3)
    before = threading.active_count()
    server = metrics.serve("127.0.0.1", 0)
    try:
        silent = [await asyncio.open_connection("127.0.0.1", server.server_port) for _ in range(300)]
        assert threading.active_count() <= before + 1 + metrics.SLOTS
        for _, writer in silent:
            writer.close()
        async with httpx2.AsyncClient() as http, asyncio.timeout(10):
            while True:
                try:
                    found = await http.get(f"http://127.0.0.1:{server.server_port}/metrics")
                    break
                except httpx2.TransportError:
                    await asyncio.sleep(0.1)
        assert (found.status_code, "# HELP" in found.text) == (200, True)
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()


async def test_a_scrape_that_comes_in_pieces_has_as_long_as_any(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics._Handler, "timeout", 0.5)
    server = metrics.serve("127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.server_port)
        writer.write(b"GET /metrics HTTP/1.1\r\n")
        ended = asyncio.create_task(reader.read())
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while not ended.done():
                    writer.write(b"x")
                    await asyncio.sleep(0.05)
            assert await ended == b""
        writer.close()
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
