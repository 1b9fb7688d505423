"""Honest players, alone and beside all attacks at once: how long they wait, and what their releases are blamed for."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp

from tests.attack import attacks
from tests.attack.attacks import ATTACKS, Tally, Target

PLAYERS = 8
PACE = 0.25
"""Seconds between two moves of a player."""
QUIET_SHARE = 0.25
"""Of the time of the attack, for which players play alone before it."""
SETTLE_SECONDS = 5.0
"""Until what was done is in the figures."""

MIB = 1024 * 1024


class System(Protocol):
    """A running stack. Its methods block."""

    target: Target

    def failures(self, since: float) -> Mapping[str, int]:
        """Requests that failed since a time, by release, as the operator counts them, and error events."""
        ...

    def memory(self) -> Mapping[str, int]:
        """Resident bytes of each process."""
        ...


@dataclass
class Honest:
    """What players who do nothing wrong have seen: seconds an answer took, and answers that were none of theirs."""

    waits: list[float] = field(default_factory=list)
    refused: int = 0

    @property
    def p95(self) -> float:
        """Seconds; infinite without a single answer."""
        return statistics.quantiles(self.waits, n=20)[-1] if len(self.waits) > 1 else float("inf")


@dataclass(frozen=True)
class Result:
    """How it went; `faults` is empty when strangers decided nothing."""

    seconds: float
    tallies: Mapping[str, Tally]
    alone: Honest
    beside: Honest
    failures: Mapping[str, int]
    memory: Mapping[str, tuple[int, int]]

    @property
    def faults(self) -> list[str]:
        """What must not have happened, a line each."""
        found = [f"{release}: {count} failures that are not its own" for release, count in self.failures.items()]
        for attack in ATTACKS:
            tally = self.tallies[attack.name]
            strange = {status: n for status, n in tally.statuses.items() if status not in attack.only}
            if strange:
                found.append(f"{attack.name}: answered {strange}")
            if not tally.tried:
                found.append(f"{attack.name}: not tried")
        if self.beside.refused:
            found.append(f"{self.beside.refused} requests of honest players were refused")
        return found

    def lines(self) -> list[str]:
        """The table."""
        rows = [
            f"{attack.name:<28}{tally.tried:>8}{tally.refused:>9}{tally.failed:>8}  "
            + " ".join(f"{status or 'closed'}:{n}" for status, n in sorted(tally.statuses.items()))
            for attack in ATTACKS
            for tally in [self.tallies[attack.name]]
        ]
        grown = sorted(self.memory.items(), key=lambda item: item[1][0] - item[1][1])
        return [
            f"{self.seconds:.0f} s of all at once",
            f"{'attack':<28}{'tried':>8}{'refused':>9}{'failed':>8}  answers",
            *rows,
            f"failures of releases  {dict(self.failures) or 0}",
            f"honest players        P95 {1000 * self.alone.p95:.0f} ms alone ({len(self.alone.waits)} requests), "
            f"{1000 * self.beside.p95:.0f} ms meanwhile ({len(self.beside.waits)}); refused {self.beside.refused}",
            "memory                "
            + ", ".join(f"{name} {before // MIB} -> {after // MIB} MiB" for name, (before, after) in grown[:6]),
            *(f"WRONG                 {fault}" for fault in self.faults),
            "strangers decided nothing" if not self.faults else "strangers decided something",
        ]


async def run(system: System, seconds: float, say: Callable[[str], None]) -> Result:
    """Play and attack."""
    begun = time.time()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=attacks.ANSWER_SECONDS)) as http:
        players = [await _Player.join(http, system.target.gateway) for _ in range(PLAYERS)]
        say(f"{PLAYERS} honest players alone, {seconds * QUIET_SHARE:.0f} s")
        alone = await _play(players, seconds * QUIET_SHARE)
        before = await asyncio.to_thread(system.memory)
        say(f"and beside {len(ATTACKS)} attacks, {seconds:.0f} s")
        playing = asyncio.create_task(_play(players, seconds))
        tallies = await asyncio.gather(
            *(attacks.run(attack, system.target, f"127.0.66.{n + 1}", seconds) for n, attack in enumerate(ATTACKS))
        )
        beside = await playing
    await asyncio.sleep(SETTLE_SECONDS)
    after = await asyncio.to_thread(system.memory)
    failures = {name: n for name, n in (await asyncio.to_thread(system.failures, begun)).items() if n}
    return Result(
        seconds,
        dict(zip((attack.name for attack in ATTACKS), tallies, strict=True)),
        alone,
        beside,
        failures,
        {name: (before[name], after[name]) for name in before.keys() & after.keys()},
    )


class _Player:
    """Spins, and looks at the wallet."""

    def __init__(self, http: aiohttp.ClientSession, api: str, headers: Mapping[str, str]) -> None:
        self._http = http
        self._api = api
        self._headers = headers

    @classmethod
    async def join(cls, http: aiohttp.ClientSession, gateway: str) -> _Player:
        """Register, sign in, deposit."""
        api = f"{gateway}/api/v1"
        account = {"email": f"{secrets.token_hex(8)}@players.example", "password": secrets.token_hex(16)}
        async with http.post(f"{api}/users", json=account | {"display_name": "Honest"}) as answer:
            answer.raise_for_status()
        async with http.post(f"{api}/sessions", json=account) as answer:
            headers = {"authorization": f"Bearer {(await answer.json())['token']}"}
        deposit = {"request_id": secrets.token_hex(8), "amount": 1_000_000}
        async with http.post(f"{api}/deposits", json=deposit, headers=headers) as answer:
            answer.raise_for_status()
        return cls(http, api, headers)

    async def move(self, seen: Honest) -> None:
        """Play one round."""
        started = time.perf_counter()
        bet = {"request_id": secrets.token_hex(12), "bet": 5}
        try:
            async with self._http.post(f"{self._api}/spins", json=bet, headers=self._headers) as answer:
                await answer.read()
                seen.refused += answer.status != 201
        except (aiohttp.ClientError, TimeoutError):
            seen.refused += 1
        seen.waits.append(time.perf_counter() - started)


async def _play(players: Sequence[_Player], seconds: float) -> Honest:
    seen, end = Honest(), time.monotonic() + seconds

    async def turns(player: _Player) -> None:
        while time.monotonic() < end:
            await player.move(seen)
            await asyncio.sleep(PACE)

    await asyncio.gather(*(turns(player) for player in players))
    return seen
