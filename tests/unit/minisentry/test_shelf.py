"""Shelves on a real Redis: their bounds in number, bytes and time, and that the books stay right."""

import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from reelback_minisentry.store.keys import PREFIX, Bounds
from reelback_minisentry.store.shelf import Shelf, TooLarge

from tests.unit.minisentry.conftest import Server

DAY = 86_400
BOUNDS = Bounds("test", 3, 100, 250, DAY)


@pytest.fixture
async def redis(fresh: Server) -> AsyncIterator[Redis]:
    async with Redis(port=fresh.redis_port) as client:
        yield client
        await client.delete(*[key async for key in client.scan_iter(f"{PREFIX}test*")])


async def total(redis: Redis) -> int:
    """What the shelf believes to hold; it must be what is there."""
    held = int(await redis.get(f"{PREFIX}test#total") or 0)
    fields = [await redis.hgetall(key) async for key in redis.scan_iter(f"{PREFIX}test:*")]
    assert held == sum(len(name) + len(value) for each in fields for name, value in each.items())
    assert await redis.zcard(f"{PREFIX}test") == len(fields) == await redis.hlen(f"{PREFIX}test#sizes")
    return held


async def test_fields_are_added_and_replaced(redis: Redis) -> None:
    shelf, now = Shelf(redis, BOUNDS), time.time()
    await shelf.put("a", {"1": b"x" * 50}, now)
    await shelf.put("a", {"1": b"x" * 9, "2": b"\x00\xff"}, now)
    assert await shelf.get("a") == {"1": b"x" * 9, "2": b"\x00\xff"}
    assert await total(redis) == 13
    assert await shelf.missing(["a", "b"]) == ["b"]
    await shelf.drop("a", "b")
    assert await total(redis) == 0
    assert await shelf.get("a") == {}


async def test_a_thing_has_a_bound_of_its_own(redis: Redis) -> None:
    shelf, now = Shelf(redis, BOUNDS), time.time()
    await shelf.put("a", {"1": b"x" * 99}, now)
    with pytest.raises(TooLarge):
        await shelf.put("a", {"2": b""}, now)
    with pytest.raises(TooLarge):
        await shelf.put("b", {"1": b"x" * 100}, now)
    assert await total(redis) == 100
    assert await shelf.newest(10) == ["a"]


async def test_what_was_not_written_to_for_the_longest_goes_first(redis: Redis) -> None:
    shelf, now = Shelf(redis, BOUNDS), time.time()
    for second, name in enumerate(("a", "b", "c", "a", "d")):
        await shelf.put(name, {"1": b"x"}, now + second)
    assert await shelf.newest(10) == ["d", "a", "c"]
    assert await shelf.newest(1) == ["d"]
    await shelf.put("e", {"1": b"x" * 99}, now + 9)
    await shelf.put("f", {"1": b"x" * 99}, now + 10)
    await shelf.put("d", {"2": b"x" * 59}, now + 11)
    assert await shelf.newest(10) == ["d", "f"], "e went: they had more bytes than fit"
    assert await total(redis) == 162


async def test_nothing_is_kept_longer_than_its_lifetime(redis: Redis) -> None:
    shelf, now = Shelf(redis, BOUNDS), time.time()
    await shelf.put("old", {"1": b"x"}, now - DAY - 1)
    await shelf.put("new", {"1": b"x"}, now)
    assert await shelf.newest(10) == ["new"]
    assert await total(redis) == 2
    for key in ("", "#sizes", "#total", ":new"):
        assert DAY - 60 < await redis.ttl(f"{PREFIX}test{key}") <= DAY
