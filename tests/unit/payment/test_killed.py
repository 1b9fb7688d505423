"""Payment as a process that is killed at work: callers who insist get each move once, and each becomes an event."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import grpc
from reelback.v1 import events_pb2, payment_pb2
from reelback.v1.payment_pb2_grpc import PaymentStub
from reelback.v1.user_pb2_grpc import add_UserServicer_to_server
from reelback_common import client, mongo
from reelback_payment.messages import TOPIC

from tests.unit import services
from tests.unit.common.kafka_parts import consuming
from tests.unit.common.ports import free_port
from tests.unit.common.waiting import until
from tests.unit.payment.books import reconciled

if TYPE_CHECKING:
    from reelback.v1.payment_pb2_grpc import PaymentAsyncStub

PLAYERS = ("ada", "bob")
KILLS = 2


@asynccontextmanager
async def user_service() -> AsyncIterator[str]:
    """The target of a user service to which everybody is known."""
    server = grpc.aio.server()
    add_UserServicer_to_server(services.Anybody(), server)  # type: ignore[abstract]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"ipv4:127.0.0.1:{port}"
    finally:
        await server.stop(None)


@contextmanager
def process(port: int, stores: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    tokens = {"GAME_TOKEN": services.TOKEN, "STAFF_TOKEN": services.TOKEN}
    variables = {"PORT": str(port), "METRICS_PORT": "0", **tokens, **stores}
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
        self.player_id = player_id
        self.answers: list[payment_pb2.Entry] = []

    async def work(self, ended: asyncio.Event) -> None:
        random = Random(self.player_id)
        while not ended.is_set():
            number = len(self.answers)
            call = random.choice([self._payment.Charge, self._payment.Payout]) if number else self._payment.Deposit
            amount = random.randint(1, 20) if number else 1_000_000
            request = payment_pb2.MoveRequest(request_id=f"r{number}", player_id=self.player_id, amount=amount)
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
        request = payment_pb2.ListEntriesRequest(player_id=self.player_id, limit=500)
        entries = [entry async for entry in self._payment.ListEntries(request)][::-1]
        assert entries == self.answers[-500:]
        assert [entry.sequence for entry in self.answers] == list(range(1, len(self.answers) + 1))
        wallet = await self._payment.GetWallet(payment_pb2.GetWalletRequest(player_id=self.player_id))
        assert wallet.balance == sum(entry.amount for entry in self.answers)


async def test_killed_at_work_and_nothing_is_lost_or_done_twice(
    mongodb_url: str, kafka_url: str, tmp_path: Path
) -> None:
    port, ended = free_port(), asyncio.Event()
    seen: dict[str, dict[str, payment_pb2.Entry]] = defaultdict(dict)

    async def handle(event: events_pb2.Event) -> None:
        entry = event.money_moved.entry
        assert seen[event.player_id].setdefault(event.event_id, entry) == entry

    # The service's database is named after it, so this test has a wallet of its own for each player.
    async with (
        client.connect(f"ipv4:127.0.0.1:{port}", token=services.TOKEN) as channel,
        user_service() as user,
        consuming(kafka_url, [TOPIC], handle),
    ):
        stores = {"MONGODB_URL": mongodb_url, "KAFKA_URL": kafka_url, "USER_TARGET": user}
        callers = [Caller(PaymentStub(channel), f"{player}-{port}") for player in PLAYERS]
        work = asyncio.gather(*(caller.work(ended) for caller in callers))
        for _ in range(KILLS):
            before = [len(caller.answers) for caller in callers]

            async def at_work(before: list[int] = before) -> bool:
                return all(len(caller.answers) > count + 10 for caller, count in zip(callers, before, strict=True))

            with process(port, stores, tmp_path / "log") as running:
                await until(at_work, 60)
                running.send_signal(signal.SIGKILL)
                running.wait()
        with process(port, stores, tmp_path / "log") as running:
            before = [len(caller.answers) for caller in callers]
            await until(at_work, 60)
            ended.set()
            await work
            for caller in callers:
                await caller.assert_exact()

                async def all_told(caller: Caller = caller) -> bool:
                    return len(seen[caller.player_id]) >= len(caller.answers)

                await until(all_told, 40)
                # Copies left out, they came in the order of the ledger.
                assert list(seen[caller.player_id].values()) == caller.answers
            running.terminate()
            assert await asyncio.to_thread(running.wait, 20) == 0
    database = mongo.connect(mongodb_url, "payment")
    try:
        await reconciled(database)
    finally:
        await database.client.close()
