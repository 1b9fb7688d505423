"""How often a password may be tried, counted in Redis for all user services together.

| budget of                                       | free tries | against                               |
|-------------------------------------------------|------------|---------------------------------------|
| an account and an address                       | 5          | guessing one account                  |
| an address                                      | 20 failed  | guessing many accounts                |
| an account, from addresses that it does not use | 50         | guessing one account from many places |

Then tries are 2, 4, 8 ... 900 s apart. An hour without one clears a budget, a right password clears the first. An
account uses an address from which it signed in within 30 days: nobody can lock its owner out there.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from reelback_common.refusals import Wait
from reelback_telemetry import security

PAIR, ADDRESS, ACCOUNT = 5, 20, 50
"""Free tries of each budget."""

MAX_PAUSE = 900
MEMORY = 3600
KNOWN = 30 * 86_400
"""Seconds: the longest pause, how long a budget is remembered, and how long an address is known."""

# A budget is a hash: `tries`, and `free`, the time (s) at which the next may be made. A try is counted before its
# password is looked at: of many at once only those within the budget are. One of an address counts when it has failed,
# for many players may come from one.
_COUNT = """
local function count(key, free, now)
  local over = redis.call('HINCRBY', key, 'tries', 1) - tonumber(free)
  if over >= 0 then
    redis.call('HSET', key, 'free', now + math.min(2 ^ (over + 1), tonumber(ARGV[1])))
  end
  redis.call('EXPIRE', key, ARGV[2])
end
local now = tonumber(redis.call('TIME')[1])
"""
_BEGIN = (
    _COUNT
    + """
local known = redis.call('EXISTS', KEYS[4]) == 1
local wait = 0
for i = 1, 3 do
  if not (i == 3 and known) then
    wait = math.max(wait, (tonumber(redis.call('HGET', KEYS[i], 'free')) or 0) - now)
  end
end
if wait > 0 then return wait end
count(KEYS[1], ARGV[3], now)
if not known then count(KEYS[3], ARGV[4], now) end
return 0
"""
)
_FAILED = _COUNT + "count(KEYS[1], ARGV[3], now)"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: the keys of its budgets."""

    pair: str
    address: str
    account: str
    known: str


class Attempts:
    """The budgets. Every method raises RedisError when the store does not answer: then no password is looked at."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._begin = redis.register_script(_BEGIN)
        self._failed = redis.register_script(_FAILED)

    async def begin(self, email: str, address: str) -> Attempt:
        """Count a try for a normalised address of mail. Raises Wait."""
        account = hashlib.sha256(email.encode()).hexdigest()[:32]
        where = hashlib.sha256(address.encode()).hexdigest()[:32]
        names = (f"pair:{account}:{where}", f"address:{where}", f"account:{account}", f"known:{account}:{where}")
        attempt = Attempt(*(f"sign-in:{name}" for name in names))
        keys = [attempt.pair, attempt.address, attempt.account, attempt.known]
        wait: Any = await self._begin(keys=keys, args=[MAX_PAUSE, MEMORY, PAIR, ACCOUNT])
        if wait:
            security.report("sign-in-budget", "an account or an address has tried too many passwords")
            raise Wait(f"too many sign-ins failed, try again in {wait} s", int(wait))
        return attempt

    async def failed(self, attempt: Attempt) -> None:
        """The password was wrong."""
        await self._failed(keys=[attempt.address], args=[MAX_PAUSE, MEMORY, ADDRESS])

    async def succeeded(self, attempt: Attempt) -> None:
        """The password was right: the player is known at this address from now on."""
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.delete(attempt.pair)
            pipe.set(attempt.known, 1, ex=KNOWN)
            await pipe.execute()
