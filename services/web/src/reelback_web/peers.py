"""Files of another release's pages, from the process that has them.

While two releases serve, a page of one may ask a process of the other for a file of its own. Its name has a hash in it,
so whoever has a file of that name has the right one.
"""

from __future__ import annotations

import asyncio
import re
import socket

import httpx2

ASKED_BY_PEER = "x-reelback-peer"
"""The header of a process that asks: it is not passed on once more."""

ASK_SECONDS = 2.0
MAX_AT_ONCE = 8
MAX_BYTES = 4 * 1024 * 1024

_NAME = re.compile(r"/assets/[A-Za-z0-9_.-]{1,100}")


class Peers:
    """The other processes behind `name`, which is `host:port`; "" for none."""

    def __init__(self, name: str, http: httpx2.AsyncClient) -> None:
        self._host, _, self._port = name.rpartition(":")
        self._http = http
        self._turn = asyncio.Semaphore(MAX_AT_ONCE)

    async def file(self, path: str) -> bytes | None:
        """The plain contents of a file with a hash in its name, when one of them has it in time."""
        if not self._host or not _NAME.fullmatch(path) or self._turn.locked():
            return None
        async with self._turn:
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    for address in await self._addresses():
                        if (body := await self._ask(address, path)) is not None:
                            return body
            except (OSError, TimeoutError):
                pass
        return None

    async def _addresses(self) -> list[str]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        return sorted({str(address[0]) for *_, address in found})

    async def _ask(self, address: str, path: str) -> bytes | None:
        host = f"[{address}]" if ":" in address else address
        try:
            async with self._http.stream(
                "GET", f"http://{host}:{self._port}{path}", headers={ASKED_BY_PEER: "1", "Accept-Encoding": "identity"}
            ) as answer:
                if answer.status_code != 200:
                    return None
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        return None
                return bytes(body)
        except httpx2.HTTPError:
            return None
