"""Settled rounds as events: each is published, whoever is away or dies in between, and nothing else is."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import events_pb2, game_pb2, payment_pb2
from reelback.v1.game_pb2_grpc import GameStub
from reelback.v1.payment_pb2_grpc import PaymentStub
from reelback_common import client, faults, mongo
from reelback_common.events import Outgoing
from reelback_common.mongo import Document
from reelback_common.outbox import Relay
from reelback_game.rounds import TOPIC
from reelback_game.slots import CLASSIC
from reelback_game.store import PAGE, Rounds
from reelback_game.table import Table
from reelback_payment.store import Wallets

from tests.unit import services
from tests.unit.common.broker import Broker
from tests.unit.common.kafka_parts import beside, consuming
from tests.unit.common.ports import free_port
from tests.unit.common.waiting import until

if TYPE_CHECKING:
    from reelback.v1.game_pb2_grpc import GameAsyncStub


class Heard:
    """The events of one player, each once."""

    def __init__(self, player_id: str) -> None:
        self._player_id = player_id
        self.events: dict[str, events_pb2.Event] = {}

    async def handle(self, event: events_pb2.Event) -> None:
        if event.player_id == self._player_id:
            assert self.events.setdefault(event.event_id, event) == event

    async def of(self, rounds: list[game_pb2.Round]) -> None:
        """Return when these rounds were told, and nothing else."""

        async def all_there() -> bool:
            return len(self.events) >= len(rounds)

        await until(all_there, 40)
        assert set(self.events) == {played.round_id for played in rounds}
        for played in rounds:
            event = self.events[played.round_id]
            assert event.occurred_at == played.played_at
            settled = events_pb2.RoundSettled(round_id=played.round_id, game="classic", bet=played.bet, win=played.win)
            assert event.round_settled == settled


@pytest.fixture
def player() -> str:
    return secrets.token_hex(6)


@asynccontextmanager
async def paying(database: AsyncDatabase[Document], player: str, port: int = 0) -> AsyncIterator[client.Channel]:
    """Payment, where the player has money."""
    async with services.payment(Wallets(database), port=port) as payment:
        move = payment_pb2.MoveRequest(request_id="d", player_id=player, amount=100_000)
        await PaymentStub(payment).Deposit(move)
        yield payment


async def spin(game: GameAsyncStub, player: str, number: int) -> game_pb2.Round:
    return await game.Spin(game_pb2.SpinRequest(request_id=f"r{number}", player_id=player, bet=10))


async def is_empty(database: AsyncDatabase[Document]) -> bool:
    return await database["open_rounds"].count_documents({}) == 0


async def test_rounds_become_events_also_those_settled_while_the_broker_was_away(
    mongodb_url: str, player: str, tmp_path: Path
) -> None:
    broker, heard = Broker(tmp_path), Heard(player)
    broker.start()
    try:
        async with services.database(mongodb_url) as database, paying(database, player) as payment:
            rounds = Rounds(database)
            relay = Relay(broker.url, rounds, [TOPIC])
            async with services.game(rounds, payment, 4, relay.offer) as channel, beside(relay.run()):
                game: GameAsyncStub = GameStub(channel)
                async with consuming(broker.url, [TOPIC], heard.handle):
                    played = [await spin(game, player, number) for number in range(10)]
                    await heard.of(played)
                    assert any(event.round_settled.win for event in heard.events.values())
                    broker.kill()
                    played += [await spin(game, player, number) for number in range(10, 20)]
                    broker.start()
                    await heard.of(played)
                    await until(lambda: is_empty(database), 30)
    finally:
        broker.kill()


async def test_the_event_of_a_round_carries_its_trace_and_only_settled_rounds_have_one(
    mongodb_url: str, player: str
) -> None:
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    told: list[Outgoing] = []
    async with services.database(mongodb_url) as database, paying(database, player) as payment:
        rounds = Rounds(database)
        table = Table(CLASSIC, Random(4), rounds, PaymentStub(payment), told.append)
        with trace.get_tracer(__name__).start_as_current_span("a spin") as span:
            played = await table.play(player, "r", 10)
        (event,) = told
        assert event.event.event_id == played.round_id
        assert trace.format_trace_id(span.get_span_context().trace_id) in event.headers["traceparent"]
        with pytest.raises(grpc.aio.AioRpcError):
            await table.play("nobody", "r", 10)
        faults.configure({"payment.charge.error_rate": 1})
        with pytest.raises(grpc.aio.AioRpcError):
            await table.play(player, "failed", 10)
        faults.configure({})
        assert await rounds.unpublished(10) == told
        await table.finish_interrupted(timedelta(0))
        assert len(told) == 1
        await rounds.published(told)
        assert await rounds.unpublished(10) == []


async def test_what_waits_is_read_in_pages_and_in_the_order_of_play(mongodb_url: str, player: str) -> None:
    told: list[Outgoing] = []
    async with services.database(mongodb_url) as database, paying(database, player) as payment:
        rounds = Rounds(database)
        table = Table(CLASSIC, Random(4), rounds, PaymentStub(payment), told.append)
        for number in range(4):
            await table.play(player, f"r{number}", 10)
        (template,) = await database["open_rounds"].find().limit(1).to_list()
        stuck = [{**template, "_id": f"stuck-{number}"} for number in range(PAGE)]
        await database["open_rounds"].insert_many(stuck)  # opened, and never settled
        told_before = [*told]
        for number in range(4, 8):
            await table.play(player, f"r{number}", 10)
        assert await rounds.unpublished(3) == told_before[:3]
        assert await rounds.unpublished(500) == told
        assert len(await rounds.interrupted(timedelta(0), 500)) == PAGE
        assert len(await rounds.interrupted(timedelta(0), 50)) == 50


@contextmanager
def running(port: int, payment: int, mongodb_url: str, kafka_url: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Game as a process."""
    own = {"PORT": str(port), "METRICS_PORT": "0", "MONGODB_URL": mongodb_url, "KAFKA_URL": kafka_url}
    with log.open("ab") as out:
        popen = subprocess.Popen(
            [sys.executable, "-m", "reelback_game"],
            env={**os.environ, **own, "PAYMENT_TARGET": f"ipv4:127.0.0.1:{payment}", "GAME_TOKEN": services.TOKEN},
            stdout=out,
            stderr=out,
        )
    try:
        yield popen
    finally:
        popen.kill()
        popen.wait()


async def answering(channel: client.Channel) -> None:
    async def look() -> bool:
        try:
            return await services.is_ready(channel)
        except grpc.aio.AioRpcError:
            return False

    await until(look, 60)


async def test_killed_between_settling_and_publishing_and_ended_politely_it_loses_no_event(
    mongodb_url: str, kafka_url: str, player: str, tmp_path: Path
) -> None:
    port, payment_port, log = free_port(), free_port(), tmp_path / "log"
    heard = Heard(player)
    kept = mongo.connect(mongodb_url, "game")  # a process' database is named after it
    async with (
        services.database(mongodb_url) as database,
        paying(database, player, payment_port),
        client.connect(f"ipv4:127.0.0.1:{port}", ["reelback.v1.Game"]) as channel,
    ):
        game: GameAsyncStub = GameStub(channel)
        no_broker = f"kafka://127.0.0.1:{free_port()}"
        with running(port, payment_port, mongodb_url, no_broker, log) as killed:
            await answering(channel)
            played = [await spin(game, player, number) for number in range(5)]
            killed.send_signal(signal.SIGKILL)
            killed.wait()
        assert not await is_empty(kept)
        with running(port, payment_port, mongodb_url, kafka_url, log) as ended:
            await answering(channel)
            async with consuming(kafka_url, [TOPIC], heard.handle):
                await heard.of(played)
                await until(lambda: is_empty(kept), 30)
                assert await spin(game, player, 4) == played[4]
                played += [await spin(game, player, number) for number in range(5, 10)]
                ended.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(ended.wait, 30) == 0
                assert await is_empty(kept), log.read_text()
                await heard.of(played)
    await kept.client.close()


DEAD_RELAY = """
import asyncio
from reelback_common import settings
from reelback_common.outbox import Relay
from reelback_game import __main__ as process

async def run(self):
    raise RuntimeError("the relay is dead")

Relay.run = run
asyncio.run(process.serve(settings.load(process.Settings)))
"""


def test_a_relay_that_dies_takes_the_process_with_it(mongodb_url: str) -> None:
    own = {"PORT": "0", "METRICS_PORT": "0", "MONGODB_URL": mongodb_url, "KAFKA_URL": "kafka://127.0.0.1:1"}
    ended = subprocess.run(
        [sys.executable, "-c", DEAD_RELAY],
        env={**os.environ, **own, "PAYMENT_TARGET": f"ipv4:127.0.0.1:{free_port()}", "GAME_TOKEN": services.TOKEN},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "the relay is dead" in ended.stderr
