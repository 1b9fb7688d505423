"""Whether a server is ready: it is asked, as its clients would ask it."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from reelback_local.layout.plan import HOST, Spec
from reelback_local.stores import access

TIMEOUT = 2.0
"""Seconds an answer may take."""

API_VERSIONS = 18
"""The key of the request in Kafka's protocol; its version 0 is a header alone."""

CORRELATION = 1
"""What a request to Kafka is told from others by; the answer repeats it."""


async def ready(spec: Spec) -> bool:
    """Whether the process's server says that it is ready."""
    try:
        async with asyncio.timeout(TIMEOUT):
            return spec.probe is None or await _PROBES[spec.probe](spec)
    except (TimeoutError, OSError, EOFError, PyMongoError, aiohttp.ClientError, grpc.RpcError):
        return False


async def _redis(spec: Spec) -> bool:
    # By hand: the client library would be a third of the supervisor's memory, for one word.
    reader, writer = await asyncio.open_connection(HOST, spec.port)
    try:
        writer.write(f"AUTH {access.USER} {spec.env[access.VARIABLE]}\r\nPING\r\n".encode())
        # An error while the data are being loaded.
        return [await reader.readline(), await reader.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
    finally:
        writer.close()


async def _mongodb(spec: Spec) -> bool:
    url = access.url("mongodb", HOST, spec.port or 0, spec.env[access.VARIABLE])
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(url, serverSelectionTimeoutMS=int(TIMEOUT * 1000))
    async with client:
        return bool((await client.admin.command("ping"))["ok"])


async def _kafka(spec: Spec) -> bool:
    # By hand, as above. It answers which versions it speaks once the controller has let it in, and no sooner.
    reader, writer = await asyncio.open_connection(HOST, spec.port)
    try:
        writer.write(struct.pack(">ihhih", 10, API_VERSIONS, 0, CORRELATION, -1))
        _, correlation, error = struct.unpack(">iih", await reader.readexactly(10))
        return (correlation, error) == (CORRELATION, 0)
    finally:
        writer.close()


async def _http(spec: Spec) -> bool:
    async with aiohttp.ClientSession() as client, client.get(f"http://{HOST}:{spec.port}/readyz") as answer:
        return answer.status == 200


async def _grpc(spec: Spec) -> bool:
    async with grpc.aio.insecure_channel(f"{HOST}:{spec.port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


_PROBES = {"redis": _redis, "mongodb": _mongodb, "kafka": _kafka, "http": _http, "grpc": _grpc}
