"""The stand-in for mongod loses nothing that it acknowledged."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError
from reelback_local.stores import access

from tests.unit.common.broker import PASSWORD
from tests.unit.common.ports import free_port

WRITERS = 4


def _start(port: int, file: Path) -> subprocess.Popen[bytes]:
    command = ["-m", "reelback_local.stores.mongo", "--port", str(port), "--file", str(file)]
    env = {**os.environ, access.VARIABLE: PASSWORD}
    server = subprocess.Popen([sys.executable, *command], env=env, stdout=subprocess.PIPE)
    assert server.stdout is not None
    server.stdout.readline()  # it serves
    socket.create_connection(("127.0.0.1", port), 1).close()
    return server


def _url(port: int) -> str:
    return access.url("mongodb", "127.0.0.1", port, PASSWORD)


def _end(server: subprocess.Popen[bytes]) -> None:
    with server:
        server.kill()


@pytest.mark.timeout(90)
async def test_acknowledged_writes_outlive_sigkill(tmp_path: Path) -> None:
    port, file = free_port(), tmp_path / "it.mv"
    server = _start(port, file)
    acknowledged = [0] * WRITERS

    async def write(client: AsyncMongoClient[dict[str, Any]], number: int) -> None:
        wallets = client.test.wallets
        while True:
            try:
                await wallets.find_one_and_update(
                    {"_id": number}, {"$inc": {"balance": 1}, "$push": {"entries": 1}}, upsert=True
                )
            except PyMongoError:
                return
            acknowledged[number] += 1
            if acknowledged[number] == 50 and number == 0:
                server.kill()

    try:
        client: AsyncMongoClient[dict[str, Any]]
        async with AsyncMongoClient(_url(port), retryWrites=False, serverSelectionTimeoutMS=2000) as client:
            await asyncio.gather(*(write(client, number) for number in range(WRITERS)))
    finally:
        _end(server)
    assert min(acknowledged) > 0

    server = _start(port, file)
    try:
        async with AsyncMongoClient(_url(port), serverSelectionTimeoutMS=5000) as client:
            wallets: list[dict[str, Any]] = await client.test.wallets.find().sort("_id").to_list()
    finally:
        _end(server)
    for wallet, count in zip(wallets, acknowledged, strict=True):
        # The one in flight may be there or not, but never in part.
        assert wallet["balance"] in (count, count + 1)
        assert len(wallet["entries"]) == wallet["balance"]
