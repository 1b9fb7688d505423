"""Whether a server is ready: it is asked, as its clients would ask it."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymongo import AsyncMongoClient
from pymongo.errors import PyMongoError

from reelback_operator.local.plan import HOST, Spec

TIMEOUT = 2.0
"""Seconds an answer may take."""


async def ready(spec: Spec) -> bool:
    """Whether the process's server says that it is ready."""
    try:
        async with asyncio.timeout(TIMEOUT):
            match spec.probe:
                case "redis":
                    return await _redis(spec.port)
                case "mongodb":
                    return await _mongodb(spec.port)
                case "http":
                    return await _http(spec.port)
                case "grpc":
                    return await _grpc(spec.port)
    except (TimeoutError, OSError, PyMongoError, aiohttp.ClientError, grpc.RpcError):
        return False
    return True


async def _redis(port: int | None) -> bool:
    # By hand: the client library would be a third of the supervisor's memory, for one word.
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(b"PING\r\n")
        return await reader.readline() == b"+PONG\r\n"  # an error while the data are being loaded
    finally:
        writer.close()


async def _mongodb(port: int | None) -> bool:
    client: AsyncMongoClient[dict[str, object]] = AsyncMongoClient(
        HOST, port, serverSelectionTimeoutMS=int(TIMEOUT * 1000)
    )
    async with client:
        return bool((await client.admin.command("ping"))["ok"])


async def _http(port: int | None) -> bool:
    async with aiohttp.ClientSession() as client, client.get(f"http://{HOST}:{port}/readyz") as answer:
        return answer.status == 200


async def _grpc(port: int | None) -> bool:
    async with grpc.aio.insecure_channel(f"{HOST}:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(health_pb2.HealthCheckRequest())
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
