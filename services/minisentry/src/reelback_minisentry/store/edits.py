"""What the API changes: releases, deploys, and what people decide about issues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import orjson

from reelback_minisentry.store import keys

if TYPE_CHECKING:
    from redis.asyncio import Redis


class Edits:
    """Writes at once; every method raises redis.RedisError when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def save_release(self, version: str, fields: Mapping[str, bytes], now: float) -> bool:
        """Set these fields of a release; true when it did not exist before."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(keys.RELEASES, {version: now}, nx=True)
            if fields:
                pipe.hset(keys.RELEASE + version, mapping=dict[Any, Any](fields))
            return bool((await pipe.execute())[0])

    async def add_deploy(self, deploy: Mapping[str, Any], finished: float) -> dict[str, Any]:
        """Store a deploy as it will be shown, with an id."""
        stored = {"id": str(await self._redis.incr(keys.DEPLOY_ID)), **deploy}
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(keys.DEPLOYS, {orjson.dumps(stored): finished})
            pipe.zremrangebyrank(keys.DEPLOYS, 0, -keys.MAX_DEPLOYS - 1)
            await pipe.execute()
        return stored

    async def decide(self, number: str, decided: Mapping[str, Any]) -> None:
        """Keep what was decided about an issue."""
        await self._redis.hset(f"{keys.ISSUE}{number}", "decided", orjson.dumps(decided))
