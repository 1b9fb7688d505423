"""Payment as a process that is killed at work: callers who insist get each move once."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import grpc
from reelback.v1 import payment_pb2
from reelback.v1.payment_pb2_grpc import PaymentStub
from reelback_common import client

from tests.unit.common.ports import free_port
from tests.unit.common.waiting import until

if TYPE_CHECKING:
    from reelback.v1.payment_pb2_grpc import PaymentAsyncStub

PLAYERS = ("ada", "bob")
KILLS = 2


@contextmanager
def process(port: int, mongodb_url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    variables = {"PORT": str(port), "METRICS_PORT": "0", "MONGODB_URL": mongodb_url}
    with log.open("ab") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", "reelback_payment"], env={**os.environ, **variables}, stdout=out, stderr=out
        )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


class Caller:
    """Moves the money of one player, one move after the other, each until it is answered."""

    def __init__(self, payment: PaymentAsyncStub, player_id: str) -> None:
        self._payment = payment
        self._player_id = player_id
        self.answers: list[payment_pb2.Entry] = []

    async def work(self, ended: asyncio.Event) -> None:
        random = Random(self._player_id)
        while not ended.is_set():
            number = len(self.answers)
            call = random.choice([self._payment.Charge, self._payment.Payout]) if number else self._payment.Deposit
            amount = random.randint(1, 20) if number else 1_000_000
            request = payment_pb2.MoveRequest(request_id=f"r{number}", player_id=self._player_id, amount=amount)
            while True:
                try:
                    self.answers.append(await call(request, timeout=1))
                    break
                except grpc.aio.AioRpcError as error:
                    if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                        raise
                    await asyncio.sleep(0.02)

    async def assert_exact(self) -> None:
        """What was answered is what happened: all of it, once, in order."""
        request = payment_pb2.ListEntriesRequest(player_id=self._player_id, limit=500)
        entries = [entry async for entry in self._payment.ListEntries(request)][::-1]
        assert entries == self.answers[-500:]
        assert [entry.sequence for entry in self.answers] == list(range(1, len(self.answers) + 1))
        wallet = await self._payment.GetWallet(payment_pb2.GetWalletRequest(player_id=self._player_id))
        assert wallet.balance == sum(entry.amount for entry in self.answers)


async def test_killed_at_work_and_nothing_is_lost_or_done_twice(mongodb_url: str, tmp_path: Path) -> None:
    port, ended = free_port(), asyncio.Event()
    # The service's database is named after it, so this test has a wallet of its own for each player.
    async with client.connect(f"ipv4:127.0.0.1:{port}") as channel:
        callers = [Caller(PaymentStub(channel), f"{player}-{port}") for player in PLAYERS]
        work = asyncio.gather(*(caller.work(ended) for caller in callers))
        for _ in range(KILLS):
            before = [len(caller.answers) for caller in callers]

            async def at_work(before: list[int] = before) -> bool:
                return all(len(caller.answers) > count + 10 for caller, count in zip(callers, before, strict=True))

            with process(port, mongodb_url, tmp_path / "log") as running:
                await until(at_work, 40)
                running.send_signal(signal.SIGKILL)
                running.wait()
        with process(port, mongodb_url, tmp_path / "log") as running:
            before = [len(caller.answers) for caller in callers]
            await until(at_work, 40)
            ended.set()
            await work
            for caller in callers:
                await caller.assert_exact()
            running.terminate()
            assert await asyncio.to_thread(running.wait, 20) == 0
