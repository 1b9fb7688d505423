"""The documents of payment as an outbox: every entry becomes an event, in order, whoever dies in between."""

from __future__ import annotations

import asyncio
import gc
import secrets
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure
from reelback.v1 import events_pb2
from reelback.v1.events_pb2 import PaymentFailed
from reelback_common import mongo
from reelback_common.events import Outgoing
from reelback_common.mongo import Document
from reelback_common.outbox import Relay
from reelback_payment import store
from reelback_payment.failures import RECORD_SECONDS, Failures
from reelback_payment.messages import TOPIC, entry_message
from reelback_payment.outbox import PaymentOutbox
from reelback_payment.store import Wallets
from reelback_payment.wallet import Conflict, Insufficient, Kind, Move

from tests.unit import services
from tests.unit.common.kafka_parts import beside, consuming
from tests.unit.common.ports import free_port
from tests.unit.common.waiting import until
from tests.unit.payment.books import entries


@pytest.fixture
async def database(mongodb_url: str) -> AsyncIterator[AsyncDatabase[Document]]:
    async with services.database(mongodb_url) as opened:
        await Wallets(opened).ready()
        yield opened


async def play(wallets: Wallets, player: str, count: int, first: int = 1) -> None:
    """A deposit and bets: the numbers from `first` on."""
    for number in range(first, first + count):
        kind, amount = (Kind.DEPOSIT, 1000) if number == 1 else (Kind.BET, 1)
        await wallets.move(Move(f"r{number}", player, kind, amount))


def numbers(found: list[Outgoing], player: str) -> list[int]:
    return [it.event.money_moved.entry.sequence for it in found if it.event.player_id == player]


async def waits(database: AsyncDatabase[Document]) -> int:
    """How many events wait, wherever."""
    wallets = await database["wallets"].find().to_list()
    held = sum(len(wallet["pending"]) + len(wallet.get("unpublished", [])) for wallet in wallets)
    return held + await database["failures"].count_documents({})


async def test_entries_become_events_through_a_broker(database: AsyncDatabase[Document], kafka_url: str) -> None:
    players = [secrets.token_hex(6) for _ in range(3)]
    seen: dict[str, events_pb2.Event] = {}

    async def handle(event: events_pb2.Event) -> None:
        if event.player_id in players:
            assert seen.setdefault(event.event_id, event) == event  # consumers drop copies

    async def published() -> bool:
        return await waits(database) == 0 and len(seen) == 30

    relay = Relay(kafka_url, PaymentOutbox(database), [TOPIC])
    wallets = Wallets(database, relay.offer)
    async with beside(relay.run()), consuming(kafka_url, [TOPIC], handle):
        await asyncio.gather(*(play(wallets, player, 10) for player in players))
        await until(published, 30)
    for player in players:
        mine = [event for event in seen.values() if event.player_id == player]
        filed = await entries(database, player)
        assert [event.money_moved.entry for event in mine] == [entry_message(entry) for entry in filed]
        assert [event.event_id for event in mine] == [f"{player}/r{number}" for number in range(1, 11)]
    assert await database["ledger"].count_documents({}) == 30


async def test_while_the_broker_is_away_only_numbers_stay_in_the_wallet(
    database: AsyncDatabase[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "PATIENCE", timedelta(milliseconds=-1))
    outbox, wallets = PaymentOutbox(database), Wallets(database)
    await play(wallets, "p", 9)
    (wallet,) = await database["wallets"].find().to_list()
    assert [entry["sequence"] for entry in wallet["pending"]] == [9]
    assert wallet["unpublished"] == list(range(1, 9))

    found: list[Outgoing] = []
    while some := await outbox.unpublished(4):
        assert len(some) <= 4
        found += some
        await outbox.published(some)
    assert numbers(found, "p") == list(range(1, 10))
    assert await waits(database) == 0
    assert len(await entries(database, "p")) == 9


async def test_every_copy_of_an_event_is_the_same(
    database: AsyncDatabase[Document], monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    offered: list[Outgoing] = []
    outbox, wallets = PaymentOutbox(database), Wallets(database, offered.append)
    with trace.get_tracer(__name__).start_as_current_span("a request") as span:
        await wallets.move(Move("r", "p", Kind.DEPOSIT, 10, "where-it-belongs"))
    (pending,) = await outbox.unpublished(10)
    monkeypatch.setattr(store, "PATIENCE", timedelta(milliseconds=-1))
    await wallets.move(Move("s", "p", Kind.BET, 1))
    filed, _ = await outbox.unpublished(10)
    for copy in (pending, filed):
        assert copy == offered[0]
        assert copy.event.SerializeToString() == offered[0].event.SerializeToString()
        assert format(span.get_span_context().trace_id, "032x") in copy.headers["traceparent"]


async def test_what_was_published_and_not_marked_comes_again(database: AsyncDatabase[Document]) -> None:
    """As when a server dies between the broker's answer and the store's."""
    outbox, wallets = PaymentOutbox(database), Wallets(database)
    await play(wallets, "p", 3)
    first = [*await outbox.unpublished(10)]
    await play(wallets, "p", 2, first=4)
    again = [*await outbox.unpublished(10)]
    assert numbers(again, "p") == [1, 2, 3, 4, 5]
    assert again[:3] == first
    await outbox.published(first)
    await outbox.published(first)
    assert numbers([*await outbox.unpublished(10)], "p") == [4, 5]
    assert len(await entries(database, "p")) == 5


async def test_two_relays_while_players_play(database: AsyncDatabase[Document]) -> None:
    found: list[Outgoing] = []
    ended = asyncio.Event()

    async def relay() -> None:
        outbox = PaymentOutbox(database)
        while not ended.is_set():
            some = await outbox.unpublished(5)
            found.extend(some)
            await outbox.published(some)

    async with asyncio.TaskGroup() as group:
        group.create_task(relay())
        group.create_task(relay())
        await asyncio.gather(*(play(Wallets(database), player, 15) for player in ("ada", "bob")))
        await until(lambda: _none_waits(database), 30)
        ended.set()
    for player in ("ada", "bob"):
        assert {*numbers(found, player)} == {*range(1, 16)}
        assert len(await entries(database, player)) == 15


async def _none_waits(database: AsyncDatabase[Document]) -> bool:
    return await waits(database) == 0


async def test_something_that_does_not_fit_the_ledger_is_kept_and_does_not_hold_others_up(
    database: AsyncDatabase[Document], caplog: pytest.LogCaptureFixture
) -> None:
    outbox, wallets = PaymentOutbox(database), Wallets(database)
    await database["ledger"].insert_one({"_id": "p/another", "place": "p/1", "sequence": 1})
    await play(wallets, "p", 1)
    await play(wallets, "q", 1)
    await outbox.published(await outbox.unpublished(10))
    assert "entry 1 of a wallet cannot be added to the ledger" in caplog.text
    assert numbers([*await outbox.unpublished(10)], "p") == [1]
    assert numbers([*await outbox.unpublished(10)], "q") == []


@pytest.mark.parametrize(
    ("error", "reason"),
    [(Insufficient(), PaymentFailed.DECLINED), (ValueError(), PaymentFailed.ERROR), (Conflict(), None)],
)
async def test_a_failed_payment_is_an_event_until_it_is_published(
    database: AsyncDatabase[Document], error: Exception, reason: PaymentFailed.Reason | None
) -> None:
    offered: list[Outgoing] = []
    recorder, outbox = Failures(database, offered.append), PaymentOutbox(database)
    for _ in range(2):
        with pytest.raises(type(error)):
            async with recorder.recorded(Move("r", "p", Kind.BET, 20)):
                raise error
    waiting = [*await outbox.unpublished(10)]
    assert waiting == offered
    if reason is None:
        assert waiting == []
        return
    first, second = (outgoing.event for outgoing in waiting)
    assert first.payment_failed == second.payment_failed
    assert first.event_id != second.event_id
    failed: Any = first.payment_failed
    assert (failed.request_id, failed.amount, failed.reason) == ("r", 20, reason)
    await outbox.published(waiting)
    assert [*await outbox.unpublished(10)] == []


# PyMongo leaves the socket of a connection that is given up while it is made to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("error", "seconds"), [(Insufficient(), RECORD_SECONDS), (ConnectionFailure(), 0)])
async def test_a_failure_that_cannot_be_recorded_is_still_told(error: Exception, seconds: float) -> None:
    offered: list[Outgoing] = []
    away = mongo.connect(f"mongodb://127.0.0.1:{free_port()}", "away")
    try:
        started = time.monotonic()
        with pytest.raises(type(error)):
            async with Failures(away, offered.append).recorded(Move("r", "p", Kind.BET, 20)):
                raise error
        assert time.monotonic() - started >= seconds
    finally:
        await away.client.close()
        gc.collect()
    assert len(offered) == 1
