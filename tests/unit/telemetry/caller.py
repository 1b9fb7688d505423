"""A process that calls a gRPC server of its own in every way there is: `python caller.py`, with SENTRY_DSN."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import grpc
import sentry_sdk
from reelback_telemetry import request, rpc_client, sdk


async def one(body: bytes, context: Any) -> bytes:
    """Tells which headers came."""
    return " ".join(f"{name}={value}" for name, value in context.invocation_metadata()).encode()


async def refused(body: bytes, context: Any) -> bytes:
    await context.abort(grpc.StatusCode.NOT_FOUND, "there is none")
    raise AssertionError


async def silent(body: bytes, context: Any) -> bytes:
    await asyncio.Event().wait()
    raise AssertionError


async def many(body: bytes, context: Any) -> AsyncIterator[bytes]:
    yield body
    yield body


async def taken(bodies: AsyncIterator[bytes], context: Any) -> bytes:
    return b"".join([body async for body in bodies])


async def echoed(bodies: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    async for body in bodies:
        yield body


METHODS: dict[str, Any] = {
    "One": grpc.unary_unary_rpc_method_handler(one),
    "Refused": grpc.unary_unary_rpc_method_handler(refused),
    "Silent": grpc.unary_unary_rpc_method_handler(silent),
    "Many": grpc.unary_stream_rpc_method_handler(many),
    "Taken": grpc.stream_unary_rpc_method_handler(taken),
    "Echoed": grpc.stream_stream_rpc_method_handler(echoed),
}


async def main() -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Ways", METHODS),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", interceptors=rpc_client.interceptors()) as opened:
        channel: Any = opened  # its types know no call without messages of protobuf
        call = channel.unary_unary("/test.Ways/One")
        print((await call(b"", metadata=(("own", "kept"),))).decode())
        with request.request("GET /", {}, {}):
            print((await call(b"", metadata=(("own", "kept"),))).decode())
            assert [body async for body in channel.unary_stream("/test.Ways/Many")(b"a")] == [b"a", b"a"]
            assert await channel.stream_unary("/test.Ways/Taken")(iter([b"a", b"b"])) == b"ab"
            assert [body async for body in channel.stream_stream("/test.Ways/Echoed")(iter([b"a"]))] == [b"a"]
            try:
                await channel.unary_unary("/test.Ways/Refused")(b"")
            except grpc.aio.AioRpcError:
                sentry_sdk.capture_message("a call was refused")
            with suppress(grpc.aio.AioRpcError):
                await channel.unary_unary("/test.Ways/Silent")(b"", timeout=0.1)
    await server.stop(0)


if __name__ == "__main__":
    with sdk.start("caller", release="caller@1.0.0", dsn=os.environ["SENTRY_DSN"]):
        asyncio.run(main())
