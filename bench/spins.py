"""Spins a second and their latency through gateway, user, game and payment, with telemetry and without, in one run.

Two whole stacks of local processes run at once, one of them with OTEL_SDK_DISABLED; only one is played on at a time,
in short turns, so that whatever the machine does meanwhile falls on both alike. Two kinds of turns: players who never
wait (throughput), and players who come at a fixed rate well below that, the same on both stacks (latency).
"""

import asyncio
import json
import secrets
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.local.stack import Stack

PLAYERS = 24
"""The gateway grants each player 20 requests a second."""

TURNS = 6
TURN_SECONDS = 8.0
WARM_UP_SECONDS = 6.0
SHARE = 0.5
"""Of what the stack without telemetry can do: the rate at which latency is measured."""

BET = 5
DEPOSIT = 1_000_000
LIMIT_SECONDS = 10.0


@dataclass
class Turns:
    """What was measured on one stack: spins a second of each turn, latencies in ms, answers that were no success."""

    rates: list[float] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    failures: int = 0

    def figures(self) -> dict[str, Any]:
        """As it is printed."""
        cuts = statistics.quantiles(self.latencies, n=100, method="inclusive")
        return {
            "spins": len(self.latencies),
            "failures": self.failures,
            "spins_per_second": {
                "min": round(min(self.rates), 1),
                "median": round(statistics.median(self.rates), 1),
                "max": round(max(self.rates), 1),
            },
            "p50_ms": round(cuts[49], 1),
            "p95_ms": round(cuts[94], 1),
            "p99_ms": round(cuts[98], 1),
        }


class Table:
    """Signed-in players with money on one stack."""

    def __init__(self, stack: Stack, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._url = f"{stack.url('gateway')}/api/v1"
        self._players: list[dict[str, str]] = []
        self.full, self.steady = Turns(), Turns()

    async def seat(self) -> None:
        """Register everybody, one after the other: a registration costs a slow hash."""
        for _ in range(PLAYERS):
            account = {"email": f"{secrets.token_hex(8)}@players.example", "password": secrets.token_hex(16)}
            await self._post("users", account | {"display_name": "Bench"}, {})
            token = (await self._post("sessions", account, {}))["token"]
            player = {"Authorization": f"Bearer {token}"}
            await self._post("deposits", {"request_id": secrets.token_hex(8), "amount": DEPOSIT}, player)
            self._players.append(player)

    async def play(self, turns: Turns, seconds: float, rate: float | None) -> None:
        """One turn: everybody plays without a pause, or all together `rate` spins a second at even distances."""
        begun = time.perf_counter()
        before = len(turns.latencies)

        async def one(number: int, player: dict[str, str]) -> None:
            due = begun + number / rate if rate else begun
            while (now := time.perf_counter()) < begun + seconds:
                if rate:
                    if due > now:
                        await asyncio.sleep(due - now)
                    # Counted from when the spin was due: a slow answer does not hide the wait of the next player.
                    since, due = due, due + PLAYERS / rate
                else:
                    since = now
                try:
                    await self._post("spins", {"request_id": secrets.token_hex(12), "bet": BET}, player)
                except aiohttp.ClientResponseError:
                    turns.failures += 1
                turns.latencies.append(1000 * (time.perf_counter() - since))

        await asyncio.gather(*(one(number, player) for number, player in enumerate(self._players)))
        turns.rates.append((len(turns.latencies) - before) / (time.perf_counter() - begun))

    async def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        async with self._http.post(f"{self._url}/{path}", json=body, headers=headers, raise_for_status=True) as answer:
            return await answer.json()


async def _measure(on: Stack, off: Stack) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=LIMIT_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as http:
        tables = {"on": Table(on, http), "off": Table(off, http)}
        for table in tables.values():
            await table.seat()
            await table.play(Turns(), WARM_UP_SECONDS, None)
        # on off off on on off ...: what drifts, drifts for both.
        order = [name for turn in range(TURNS) for name in (("on", "off") if turn % 2 == 0 else ("off", "on"))]
        for name in order:
            await tables[name].play(tables[name].full, TURN_SECONDS, None)
        rate = SHARE * statistics.median(tables["off"].full.rates)
        for name in order:
            await tables[name].play(tables[name].steady, TURN_SECONDS, rate)
    full = {name: table.full.figures() for name, table in tables.items()}
    steady = {name: table.steady.figures() for name, table in tables.items()}
    return {
        "players": PLAYERS,
        "turns": TURNS,
        "turn_seconds": TURN_SECONDS,
        "without_pause": full,
        "at_a_fixed_rate": {"rate": round(rate, 1), **steady},
        "telemetry": {
            "throughput_ratio": round(
                full["on"]["spins_per_second"]["median"] / full["off"]["spins_per_second"]["median"], 3
            ),
            "p95_ratio": round(steady["on"]["p95_ms"] / steady["off"]["p95_ms"], 3),
            "p95_ratio_without_pause": round(full["on"]["p95_ms"] / full["off"]["p95_ms"], 3),
        },
    }


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        Stack.running(Path(folder, "on")) as on,
        Stack.running(Path(folder, "off"), OTEL_SDK_DISABLED="true") as off,
    ):
        print(json.dumps(asyncio.run(_measure(on, off))))


if __name__ == "__main__":
    main()
