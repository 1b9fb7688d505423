"""Players bet while one server after the other is killed; then the books are held against what the players know."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from tests.chaos import audit
from tests.chaos.audit import Books
from tests.chaos.players import Acknowledged, Player

VICTIMS = ("payment", "game", "kafka", "redis", "mongodb")
PLAYERS = 8
PACE = 0.25
"""Seconds between two moves of one player."""
BACK_SECONDS = 90.0


class System(Protocol):
    """A running stack. Its methods block."""

    gateway: str

    def kill(self, name: str) -> None:
        """End a server at once, without a word to it. It is restarted by whoever keeps it running."""
        ...

    def back(self, name: str) -> bool:
        """Whether the server that was killed last has come back and is ready."""
        ...

    def addresses(self) -> tuple[str, str]:
        """MongoDB's URL, and analytics' host and port."""
        ...

    def reconcile(self) -> tuple[int, str]:
        """Exit status and output of `reelback reconcile`."""
        ...


@dataclass(frozen=True)
class Result:
    """How it ended; `faults` is empty when nothing is lost and nothing is there twice."""

    seed: int
    seconds: float
    kills: Counter[str]
    told: Acknowledged
    books: Books
    reconciled: str
    faults: Sequence[str]

    def lines(self) -> list[str]:
        """The counts, a line each."""
        found, counted = self.books, self.books.counted
        return [
            f"{self.seconds:.0f} s, seed {self.seed}; killed: "
            + ", ".join(f"{name} {times}x" for name, times in sorted(self.kills.items())),
            f"acknowledged   {len(self.told.rounds)} bets, {len(self.told.deposits)} deposits; "
            f"{self.told.repeated} requests had to be sent again",
            f"ledger         {found.entries} entries: bets {found.bets}, wins {found.wins}, sum {found.balance}; "
            f"balances {found.balances}",
            f"rounds         {found.rounds} settled",
            f"analytics      {counted.entries} entries, sum {counted.balance}; {counted.rounds} rounds: "
            f"bets {counted.bet}, wins {counted.win}",
            f"reconcile      {self.reconciled}",
            *(f"WRONG          {fault}" for fault in self.faults),
            "nothing is lost, nothing is there twice" if not self.faults else "the money does not add up",
        ]


async def run(system: System, seconds: float, seed: int, say: Callable[[str], None]) -> Result:
    """Play for so long while servers are killed, first each in turn, then at random."""
    mongodb, analytics = system.addresses()
    before = await asyncio.to_thread(audit.drained, mongodb, analytics, _NOTHING)
    told, kills, ended = Acknowledged(), Counter[str](), asyncio.Event()
    async with aiohttp.ClientSession() as http:
        players = [Player(http, system.gateway, told) for _ in range(PLAYERS)]
        await asyncio.gather(*(player.join() for player in players))
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for player in players:
                group.create_task(player.play(ended, PACE))
            try:
                await _kill(system, begun + seconds, random.Random(seed), kills, say)
                for name in kills:
                    await _back(system, name)
            finally:
                ended.set()
        took = time.monotonic() - begun
    mongodb, analytics = system.addresses()
    say(f"{len(told.rounds)} bets are acknowledged; waiting until analytics has counted everything")
    found = await asyncio.to_thread(audit.drained, mongodb, analytics, before)
    code, output = await asyncio.to_thread(system.reconcile)
    reconciled = f"exit status {code}: {' '.join(output.split())}"
    faults = [*audit.faults_of(found), *await asyncio.to_thread(audit.missing, mongodb, told)]
    if code:
        faults.append(f"reconcile: {reconciled}")
    return Result(seed, took, kills, told, found, reconciled, faults)


_NOTHING = Books(0, 0, 0, 0, 0, 0, audit.Totals(0, 0, 0, 0, 0))


async def _kill(
    system: System, end: float, dice: random.Random, kills: Counter[str], say: Callable[[str], None]
) -> None:
    """Each victim in turn, the next one when the last is back; then whichever, whenever, until the time is over."""
    turn = list(VICTIMS)
    while turn or time.monotonic() < end:
        name = turn.pop(0) if turn else dice.choice(VICTIMS)
        await asyncio.sleep(dice.uniform(0.3, 2.0))
        say(f"killing {name}")
        await asyncio.to_thread(system.kill, name)
        kills[name] += 1
        # At random also means: two at once, now and then.
        if len(kills) < len(VICTIMS) or dice.random() < 0.7:
            await _back(system, name)


async def _back(system: System, name: str) -> None:
    async with asyncio.timeout(BACK_SECONDS):
        while not await asyncio.to_thread(system.back, name):  # noqa: ASYNC110 - another process's state is no event
            await asyncio.sleep(0.2)
