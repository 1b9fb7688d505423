"""Things that are kept as they came: each a hash of fields, the newest of them, up to so many and so many bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from reelback_minisentry.store.keys import PREFIX, Bounds

if TYPE_CHECKING:
    from redis.asyncio import Redis

_PUT = """
local index, sizes, total, key, name = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1]
local now, each, most = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local all, lifetime = tonumber(ARGV[5]), tonumber(ARGV[6])
local function first(low, high)
  return redis.call('ZRANGEBYSCORE', index, low, high, 'LIMIT', 0, 1)[1]
end
local function drop(old)
  redis.call('DECRBY', total, redis.call('HGET', sizes, old) or 0)
  redis.call('HDEL', sizes, old)
  redis.call('ZREM', index, old)
  redis.call('UNLINK', index .. ':' .. old)
end
local old = first('-inf', '(' .. now - lifetime)
while old do
  drop(old)
  old = first('-inf', '(' .. now - lifetime)
end
local more = 0
for i = 7, #ARGV, 2 do
  more = more + #ARGV[i] + #ARGV[i + 1]
  if redis.call('HEXISTS', key, ARGV[i]) == 1 then more = more - #ARGV[i] - redis.call('HSTRLEN', key, ARGV[i]) end
end
if tonumber(redis.call('HGET', sizes, name) or 0) + more > each then return 0 end
redis.call('HSET', key, unpack(ARGV, 7))
redis.call('ZADD', index, 'GT', now, name)
redis.call('HINCRBY', sizes, name, more)
redis.call('INCRBY', total, more)
while tonumber(redis.call('GET', total)) > all or redis.call('ZCARD', index) > most do
  drop(first('-inf', '+inf'))
end
for _, each_key in ipairs(KEYS) do redis.call('EXPIRE', each_key, lifetime) end
return 1
"""
"""Adds fields to one thing, unless it grew beyond its bound, and removes what was not written to for the longest."""

_DROP = """
for _, name in ipairs(ARGV) do
  redis.call('DECRBY', KEYS[3], redis.call('HGET', KEYS[2], name) or 0)
  redis.call('HDEL', KEYS[2], name)
  redis.call('ZREM', KEYS[1], name)
  redis.call('UNLINK', KEYS[1] .. ':' .. name)
end
"""


class TooLarge(Exception):
    """A thing would grow beyond what one may have: nothing of it is written."""


class Shelf:
    """One kind of things. Every method raises redis.RedisError when Redis does not answer."""

    def __init__(self, redis: Redis, bounds: Bounds) -> None:
        self._redis: Any = redis  # its annotations do not know that answers are bytes here
        self.bounds = bounds
        self._index = PREFIX + bounds.shelf
        self._books = (self._index, f"{self._index}#sizes", f"{self._index}#total")

    async def put(self, name: str, fields: Mapping[str, bytes], now: float) -> None:
        """Add these fields, at least one, to a thing, which may be new. Raises TooLarge."""
        of = self.bounds
        parts = [part for pair in fields.items() for part in pair]
        arguments = (name, int(now), of.each, of.most, of.total, of.lifetime, *parts)
        if not await self._redis.eval(_PUT, 4, *self._books, self._key(name), *arguments):
            raise TooLarge

    async def get(self, name: str) -> dict[str, bytes]:
        """The fields of a thing; {} when it is not there (any more)."""
        found = await self._redis.hgetall(self._key(name))
        return {field.decode(): value for field, value in found.items()}

    async def fields(self, name: str, *fields: str) -> list[bytes | None]:
        """Some fields of a thing, in their order."""
        found: list[bytes | None] = await self._redis.hmget(self._key(name), fields)
        return found

    async def names_of(self, name: str) -> list[str]:
        """Which fields a thing has."""
        return [field.decode() for field in await self._redis.hkeys(self._key(name))]

    async def newest(self, most: int) -> list[str]:
        """The names of the last written, at most so many, the newest first."""
        raw = await self._redis.zrevrange(self._index, 0, most - 1)
        return [name.decode() for name in raw]

    async def missing(self, names: list[str]) -> list[str]:
        """Those of these that are not there."""
        scores = await self._redis.zmscore(self._index, names) if names else []
        return [name for name, score in zip(names, scores, strict=True) if score is None]

    async def drop(self, *names: str) -> None:
        """Remove these, if they are there."""
        await self._redis.eval(_DROP, 3, *self._books, *names)

    def _key(self, name: str) -> str:
        return f"{self._index}:{name}"
