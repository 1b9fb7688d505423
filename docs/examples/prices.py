"""A gRPC service that is not this project's, with the telemetry library: `python prices.py`.

It listens on PORT, and knows its prices itself unless UPSTREAM names another one that does.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import Int64Value, StringValue
from reelback_telemetry import operations, rpc_client, rpc_server, sdk

PRICES = {"tea": 300, "cake": 450}


class Prices:
    """Prices in cents."""

    def __init__(self, upstream: grpc.aio.Channel | None) -> None:
        read, write = Int64Value.FromString, StringValue.SerializeToString
        self._get = upstream and upstream.unary_unary("/shop.Prices/Get", write, read)
        self._follow = upstream and upstream.unary_stream("/shop.Prices/Follow", write, read)

    @operations.tag_business_operation("price")
    async def get(self, article: StringValue, context: Any) -> Int64Value:
        """What an article costs."""
        return await self._get(article) if self._get else Int64Value(value=PRICES[article.value])

    async def follow(self, article: StringValue, context: Any) -> AsyncIterator[Int64Value]:
        """What it costs, again and again."""
        if self._follow:
            async for price in self._follow(article):
                yield price
        else:
            for _ in range(3):
                yield await self.get(article, context)


async def main() -> None:
    """Serve."""
    target = os.environ.get("UPSTREAM")
    prices = Prices(grpc.aio.insecure_channel(target, interceptors=rpc_client.interceptors()) if target else None)
    read, write = StringValue.FromString, Int64Value.SerializeToString
    methods: dict[str, Any] = {
        "Get": grpc.unary_unary_rpc_method_handler(prices.get, read, write),
        "Follow": grpc.unary_stream_rpc_method_handler(prices.follow, read, write),
    }
    server = grpc.aio.server(interceptors=[rpc_server.Telemetry()])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("shop.Prices", methods),))
    server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    with sdk.start("prices", release="prices@1.0.0", dsn=os.environ.get("SENTRY_DSN", ""), in_app=["prices"]):
        asyncio.run(main())
