"""A service's Redis: every wait has an end."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from reelback_telemetry.redis import TracedRedis


def connect(url: str) -> Redis:
    """A client whose answers are text; connecting begins with the first command. Close it with `aclose()`.

    Commands raise RedisError within seconds when the server does not answer. One retry covers a connection that
    the server closed while it was idle.
    """
    return TracedRedis.from_url(
        url, decode_responses=True, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 1)
    )
