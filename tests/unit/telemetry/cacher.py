"""A process that looks into Redis for a request: `python cacher.py`, with REDIS_URL and SENTRY_DSN."""

from __future__ import annotations

import asyncio
import os

import sentry_sdk
from redis.exceptions import ResponseError
from reelback_telemetry import cache, request, sdk
from reelback_telemetry.redis import TracedRedis


async def main() -> None:
    async with TracedRedis.from_url(os.environ["REDIS_URL"]) as redis:
        await redis.set("of:ada", "1")
        with request.request("GET /ada", {}, {}):
            assert await redis.get("of:ada") == b"1"
            async with redis.pipeline() as pipe:
                pipe.get("of:ada")
                pipe.get("of:bob")
                found = await pipe.execute()
            for value in found:
                cache.looked_up("profiles", hit=value is not None)
            try:
                await redis.incr("of:ada:list", "many")  # type: ignore[arg-type]
            except ResponseError:
                sentry_sdk.capture_message("a command was refused")


if __name__ == "__main__":
    with sdk.start("cacher", release="cacher@1.0.0", dsn=os.environ["SENTRY_DSN"]):
        asyncio.run(main())
