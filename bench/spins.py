"""Spins a second, their latency and their CPU, with telemetry and without, in one run, each ratio with its interval.

Two whole stacks of local processes run at once, one of them with OTEL_SDK_DISABLED; only one is played on at a time, in
many short turns, in pairs whose order is drawn, so that whatever the machine does meanwhile falls on both alike. Two
kinds of turns: players who never wait (capacity), and players who come at a fixed rate of half of that (latency). An
interval is the middle 95 % of what pairs drawn anew give (bootstrap).
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

from tests.local.stack import Stack

PLAYERS = 24
"""The gateway grants each player 20 requests a second."""

PAIRS = 20
TURN_SECONDS = 4.0
WARM_UP_SECONDS = 10.0
SHARE = 0.5
"""Of what the stack without telemetry can do: the rate at which latency is measured."""

BET = 5
DEPOSIT = 1_000_000
LIMIT_SECONDS = 10.0
BACKEND = ("minisentry", "redis-telemetry")
"""What keeps telemetry: with a Sentry of your own it runs elsewhere."""

DRAWS = 2000


@dataclass(frozen=True)
class Turn:
    """What was measured in one turn: latencies in ms, seconds it took, answers that were no success, CPU in seconds."""

    latencies: Sequence[float]
    seconds: float
    failures: int
    services_cpu: float
    backend_cpu: float


class Table:
    """Signed-in players with money on one stack."""

    def __init__(self, stack: Stack, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._url = f"{stack.url('gateway')}/api/v1"
        self._players: list[dict[str, str]] = []
        self._processes = {
            name: psutil.Process(process.pid) for name, process in stack.processes().items() if process.pid
        }

    async def seat(self) -> None:
        """Register everybody, one after the other: a registration costs a slow hash."""
        for _ in range(PLAYERS):
            account = {"email": f"{secrets.token_hex(8)}@players.example", "password": secrets.token_hex(16)}
            await self._post("users", account | {"display_name": "Bench"}, {})
            token = (await self._post("sessions", account, {}))["token"]
            player = {"Authorization": f"Bearer {token}"}
            await self._post("deposits", {"request_id": secrets.token_hex(8), "amount": DEPOSIT}, player)
            self._players.append(player)

    async def play(self, seconds: float, rate: float | None) -> Turn:
        """One turn: everybody plays without a pause, or all together `rate` spins a second at even distances."""
        before, begun = self._cpu(), time.perf_counter()
        latencies, failures = [], 0

        async def one(number: int, player: dict[str, str]) -> None:
            nonlocal failures
            due = begun + number / rate if rate else begun
            while (now := time.perf_counter()) < begun + seconds and due < begun + seconds:
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
                    failures += 1
                latencies.append(1000 * (time.perf_counter() - since))

        await asyncio.gather(*(one(number, player) for number, player in enumerate(self._players)))
        services, backend = (after - then for after, then in zip(self._cpu(), before, strict=True))
        return Turn(latencies, time.perf_counter() - begun, failures, services, backend)

    def _cpu(self) -> tuple[float, float]:
        """Seconds of CPU until now: of all that serve a spin, and of what keeps the telemetry."""
        spent = {name: sum(process.cpu_times()[:2]) for name, process in self._processes.items()}
        backend = sum(spent[name] for name in BACKEND)
        return sum(spent.values()) - backend, backend

    async def _post(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> Any:
        async with self._http.post(f"{self._url}/{path}", json=body, headers=headers, raise_for_status=True) as answer:
            return await answer.json()


def _percentile(share: float) -> Callable[[Sequence[Turn]], float]:
    return lambda turns: float(np.percentile(np.concatenate([turn.latencies for turn in turns]), share))


def _spins(turns: Sequence[Turn]) -> int:
    return sum(len(turn.latencies) for turn in turns)


FIGURES: dict[str, Callable[[Sequence[Turn]], float]] = {
    "spinsPerSecond": lambda turns: _spins(turns) / sum(turn.seconds for turn in turns),
    "p50Ms": _percentile(50),
    "p95Ms": _percentile(95),
    "p99Ms": _percentile(99),
    "servicesCpuMsPerSpin": lambda turns: 1000 * sum(turn.services_cpu for turn in turns) / _spins(turns),
}


def compared(pairs: Sequence[tuple[Turn, Turn]]) -> dict[str, Any]:
    """Each figure of the turns with telemetry and without, and their ratio with its interval of 95 %."""
    drawn = np.random.default_rng(0).integers(0, len(pairs), (DRAWS, len(pairs)))
    on, off = [list(turns) for turns in zip(*pairs, strict=True)]
    figures: dict[str, Any] = {}
    for name, of in FIGURES.items():
        ratios = [of([on[each] for each in draw]) / of([off[each] for each in draw]) for draw in drawn]
        low, high = np.percentile(ratios, [2.5, 97.5])
        figures[name] = {
            "on": round(of(on), 2),
            "off": round(of(off), 2),
            "ratio": round(of(on) / of(off), 3),
            "interval95": [round(float(low), 3), round(float(high), 3)],
        }
    failures = {"on": sum(turn.failures for turn in on), "off": sum(turn.failures for turn in off)}
    backend = 1000 * sum(turn.backend_cpu for turn in on) / _spins(on)
    return {"spins": _spins(on) + _spins(off), "failures": failures, "backendCpuMsPerSpin": round(backend, 2)} | figures


async def _measure(on: Stack, off: Stack) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=LIMIT_SECONDS)
    # A stack waits while the other is played on, and a server closes what is idle.
    connector = aiohttp.TCPConnector(keepalive_timeout=TURN_SECONDS / 2)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector) as http:
        tables = Table(on, http), Table(off, http)
        for table in tables:
            await table.seat()
            await table.play(WARM_UP_SECONDS, None)

        async def pair(rate: float | None) -> tuple[Turn, Turn]:
            first = random.random() < 0.5
            turns = [await table.play(TURN_SECONDS, rate) for table in (tables if first else reversed(tables))]
            return (turns[0], turns[1]) if first else (turns[1], turns[0])

        at_capacity = [await pair(None) for _ in range(PAIRS)]
        rate = SHARE * FIGURES["spinsPerSecond"]([off for _, off in at_capacity])
        at_half = [await pair(rate) for _ in range(PAIRS)]
    return {
        "players": PLAYERS,
        "pairsOfTurns": PAIRS,
        "turnSeconds": TURN_SECONDS,
        "atCapacity": compared(at_capacity),
        "atHalf": {"rate": round(rate, 1)} | compared(at_half),
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
