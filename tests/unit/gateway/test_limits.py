"""Rate limits in a real Redis, and without one."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import time
from collections.abc import AsyncIterator

import pytest
from reelback_common import redis
from reelback_gateway import limits
from reelback_gateway.limits import Limiter
from reelback_gateway.problems import Problem

from tests.unit.common.ports import free_port
from tests.unit.gateway.conftest import platform


@pytest.fixture
async def limiters(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Limiter]]:
    """Those of two gateways, with patience: on a busy machine a late answer is not one that lets everything pass."""
    monkeypatch.setattr(limits, "ANSWER_SECONDS", 10)
    async with redis.connect(redis_url) as one, redis.connect(redis_url) as other:
        yield [Limiter(cache, per_player=10, per_address=1000, passwords_per_address=1000) for cache in (one, other)]


async def passes(limiter: Limiter, player: str) -> bool:
    try:
        await limiter.check_player(player)
    except Problem:
        return False
    return True


async def test_gateways_count_together(limiters: list[Limiter]) -> None:
    player = secrets.token_hex(4)
    started = time.monotonic()
    passed = sum(await asyncio.gather(*(passes(limiters[number % 2], player) for number in range(60))))
    took = time.monotonic() - started
    assert 20 <= passed <= 20 + 10 * took + 1  # the burst of two seconds, and what the time since has added
    assert await passes(limiters[0], secrets.token_hex(4))


async def test_the_limit_is_a_pace(limiters: list[Limiter]) -> None:
    player = secrets.token_hex(4)
    while await passes(limiters[0], player):
        pass
    started = time.monotonic()
    passed = 0
    while passed < 5:
        passed += await passes(limiters[0], player)
        await asyncio.sleep(0.01)
    assert time.monotonic() - started > 0.35  # five at ten a second; the first may be due at once


async def test_without_redis_everything_passes_and_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async with redis.connect(f"redis://127.0.0.1:{free_port()}") as nobody:
        limiter = Limiter(nobody, per_player=1, per_address=1, passwords_per_address=1)
        with caplog.at_level(logging.WARNING):
            for _ in range(5):
                await limiter.check_player("p")
                await limiter.check_address("127.0.0.1")
    assert [record.getMessage() for record in caplog.records] == [
        "no rate limits, Redis does not answer: ConnectionError"
    ]


async def test_a_redis_that_does_not_answer_is_not_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = redis.connect(f"redis://127.0.0.1:{silent.getsockname()[1]}")
        async with asyncio.timeout(5):  # for an answer it would wait for ever
            await Limiter(mute, per_player=1, per_address=1, passwords_per_address=1).check_player("p")
        await mute.aclose()


async def test_a_player_is_told_when_to_come_again(mongodb_url: str, redis_url: str) -> None:
    async with platform(mongodb_url, redis_url, per_player=1) as gateway:
        headers = await gateway.player()
        answers = [await gateway.http.get("/api/v1/wallet", headers=headers) for _ in range(6)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["detail"] == "more than 1 requests a second for this player"
    assert int(refused[0].headers["Retry-After"]) >= 1


async def test_the_platform_plays_on_without_limits(mongodb_url: str, redis_url: str) -> None:
    async with platform(mongodb_url, redis_url, limits_url=f"redis://127.0.0.1:{free_port()}") as gateway:
        answer = await gateway.http.get("/api/v1/wallet", headers=await gateway.player())
        assert answer.status_code == 200
