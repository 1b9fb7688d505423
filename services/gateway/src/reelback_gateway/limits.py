"""How many requests a player or an address may send, counted in Redis for all gateways together."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from reelback_gateway.problems import Problem

BURST_SECONDS = 2
"""For so long the limit may be spent at once."""

ANSWER_SECONDS = 0.25
"""A limiter that is slower than this is as good as none."""

# The generic cell rate algorithm: the key holds when the next request would be due at an even pace (ms), and a
# request is refused when that lies further ahead than the burst. One script, so two gateways never both let one in.
_SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local pace = 1000 / ARGV[1]
local due = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + pace
local wait = due - now - ARGV[2]
if wait > 0 then return math.ceil(wait) end
redis.call('SET', KEYS[1], string.format('%.3f', due), 'PX', math.ceil(due - now))
return 0
"""

DEBUG_PER_PLAYER = 2
"""Debug endpoints a second for one player."""

_LIMITED = {
    "player": "requests a second for this player",
    "address": "requests a second for this address",
    "password": "passwords a second for this address",
    "debug": "debug endpoints a second for this player",
}

logger = logging.getLogger(__name__)


class Limiter:
    """Requests a second for each player and each address. Without Redis everything passes, and the log says so.

    Registering and signing in have a rate of their own by address: a password takes the user service some 40 ms.
    """

    def __init__(self, redis: Redis, per_player: int, per_address: int, passwords_per_address: int) -> None:
        self._script = redis.register_script(_SCRIPT)
        self._rates = {
            "player": per_player,
            "address": per_address,
            "password": passwords_per_address,
            "debug": DEBUG_PER_PLAYER,
        }
        self._down = False

    async def check_player(self, player_id: str) -> None:
        """Count a request of a player. Raises Problem 429."""
        await self._check("player", player_id)

    async def check_address(self, address: str) -> None:
        """Count a request from an address. Raises Problem 429."""
        await self._check("address", address)

    async def check_password(self, address: str) -> None:
        """Count a password to be hashed for an address. Raises Problem 429."""
        await self._check("password", address)

    async def check_debug(self, player_id: str) -> None:
        """Count a debug endpoint that a player asks for. Raises Problem 429."""
        await self._check("debug", player_id)

    async def _check(self, kind: str, who: str) -> None:
        rate = self._rates[kind]
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer: Any = await self._script(keys=[f"rate:{kind}:{who}"], args=[rate, BURST_SECONDS * 1000])
        except (RedisError, TimeoutError) as error:
            if not self._down:
                logger.warning("no rate limits, Redis does not answer: %s", type(error).__name__)
            self._down = True
            return
        if self._down:
            logger.info("rate limits are back")
        self._down = False
        if wait := int(answer):
            raise Problem(
                429,
                f"more than {rate} {_LIMITED[kind]}",
                "resource-exhausted",
                {"Retry-After": str(math.ceil(wait / 1000))},
            )
