"""One port in front of the processes of a service: connections are shared out, and lose nothing when these change."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from reelback_local.layout.plan import HOST
from reelback_local.processes.front import Front

from tests.unit.common.ports import free_port

Serve = Callable[[str], Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts what answers each line with its own name and that line."""
    servers = []

    async def begin(name: str) -> int:
        async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(name.encode() + b" " + line)
            writer.close()

        servers.append(await asyncio.start_server(take, HOST, 0))
        port: int = servers[-1].sockets[0].getsockname()[1]
        return port

    yield begin
    for server in servers:
        server.close()


@pytest.fixture
async def front() -> AsyncIterator[tuple[Front, int]]:
    port = free_port()
    it = Front(port)
    await it.open()
    yield it, port
    await it.close()


async def ask(port: int, *lines: bytes) -> list[str]:
    reader, writer = await asyncio.open_connection(HOST, port)
    answers = []
    for line in lines:
        writer.write(line + b"\n")
        answers.append((await asyncio.wait_for(reader.readline(), 5)).decode().strip())
    writer.close()
    return answers


async def test_connections_go_to_the_processes_in_turn_and_stay_there(front: tuple[Front, int], serve: Serve) -> None:
    it, port = front
    it.lead_to([await serve("old"), await serve("new")])
    answers = [await ask(port, b"1", b"2") for _ in range(10)]
    assert all(first.split()[0] == second.split()[0] for first, second in answers)
    assert Counter(first.split()[0] for first, _ in answers) == {"old": 5, "new": 5}


async def test_what_has_gone_gets_no_connection_and_those_that_are_open_go_on(
    front: tuple[Front, int], serve: Serve
) -> None:
    it, port = front
    old = await serve("old")
    it.lead_to([old])
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(b"1\n")
    assert await reader.readline() == b"old 1\n"
    it.lead_to([await serve("new")])
    assert [await ask(port, b"2") for _ in range(3)] == [["new 2"]] * 3
    writer.write(b"3\n")
    assert await reader.readline() == b"old 3\n"
    writer.close()


async def test_a_process_that_does_not_listen_is_passed_over(front: tuple[Front, int], serve: Serve) -> None:
    it, port = front
    it.lead_to([free_port(), await serve("new")])
    assert [await ask(port, b"1") for _ in range(4)] == [["new 1"]] * 4


async def test_without_a_process_a_connection_is_closed(front: tuple[Front, int]) -> None:
    reader, writer = await asyncio.open_connection(HOST, front[1])
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
