"""What the API changes: releases, deploys, and what people decide about issues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict

from reelback_minisentry import keys
from reelback_minisentry.issues import Issue
from reelback_minisentry.releases import NewDeploy
from reelback_minisentry.values import iso

if TYPE_CHECKING:
    from redis.asyncio import Redis


class StatusDetails(BaseModel):
    """How an issue is resolved."""

    model_config = ConfigDict(extra="forbid")
    inRelease: str | None = None
    inNextRelease: bool = False


class Decision(BaseModel):
    """The body of PUT /issues/{id}/."""

    status: Literal["resolved", "resolvedInNextRelease", "unresolved", "ignored"]
    statusDetails: StatusDetails = StatusDetails()


class Editor:
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

    async def add_deploy(self, release: str, body: NewDeploy, now: float) -> dict[str, Any]:
        """Store a deploy, as it will be shown."""
        finished = body.dateFinished.timestamp() if body.dateFinished else now
        deploy = {
            "id": str(await self._redis.incr(keys.DEPLOY_ID)),
            "release": release,
            "environment": body.environment,
            "name": body.name,
            "url": str(body.url) if body.url else None,
            "dateStarted": iso(body.dateStarted.timestamp()) if body.dateStarted else None,
            "dateFinished": iso(finished),
        }
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(keys.DEPLOYS, {orjson.dumps(deploy): finished})
            pipe.zremrangebyrank(keys.DEPLOYS, 0, -keys.MAX_DEPLOYS - 1)
            await pipe.execute()
        return deploy

    async def decide(self, issue: Issue, decision: Decision, now: float) -> None:
        """Keep a decision with its time: events after it can overrule it."""
        decided: dict[str, Any] = {"status": decision.status, "at": now}
        if decision.status == "resolvedInNextRelease" or decision.statusDetails.inNextRelease:
            decided |= {"status": "resolved", "after": issue.last_release}
        elif decision.statusDetails.inRelease:
            decided["inRelease"] = decision.statusDetails.inRelease
        await self._redis.hset(f"{keys.ISSUE}{issue.number}", "decided", orjson.dumps(decided))
