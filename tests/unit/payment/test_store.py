"""Wallets on a real server: concurrency, crashes, repairs."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from random import Random

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure
from reelback_common.mongo import Document
from reelback_payment import store
from reelback_payment.limits import UNSET, Held, LimitExceeded, Limits
from reelback_payment.outbox import PaymentOutbox
from reelback_payment.store import PATIENCE, Contention, Wallets
from reelback_payment.transfers import State, WrongState, decision
from reelback_payment.wallet import Conflict, Entry, Insufficient, Kind, Move, decide

from tests.unit import services
from tests.unit.common.waiting import until
from tests.unit.payment.books import entries, reconciled

PLAYERS_OWN = (Kind.DEPOSIT, Kind.WITHDRAWAL, Kind.BET, Kind.WIN)


NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=2)
"""Higher limits that were asked for then hold by now."""


@pytest.fixture
async def database(mongodb_url: str) -> AsyncIterator[AsyncDatabase[Document]]:
    async with services.database(mongodb_url) as opened:
        yield opened


@pytest.fixture
async def wallets(database: AsyncDatabase[Document]) -> Wallets:
    return (await replicas(database, 1))[0]


async def replicas(database: AsyncDatabase[Document], count: int) -> list[Wallets]:
    servers = [Wallets(database) for _ in range(count)]
    await asyncio.gather(*(server.ready() for server in servers))
    return servers


async def publish(database: AsyncDatabase[Document]) -> list[str]:
    """What the relay does, without a broker: the ids of the events."""
    outbox = PaymentOutbox(database)
    found = await outbox.unpublished(500)
    await outbox.published(found)
    return [outgoing.event.event_id for outgoing in found]


def random_moves(random: Random, count: int) -> list[Move]:
    kinds = {f"r{number}": random.choice(PLAYERS_OWN) for number in range(count * 2 // 3)}
    amounts = {request_id: random.randint(1, 100) for request_id in kinds}
    asked = random.choices(list(kinds), k=count)
    return [Move(request_id, "p", kinds[request_id], amounts[request_id]) for request_id in asked]


async def patiently(wallets: Wallets, move: Move) -> Entry | None:
    """As callers do: again on contention, or when the store is slow. None when a rule is against it."""
    while True:
        try:
            return await wallets.move(move)
        except (Contention, ConnectionFailure):
            continue
        except (Insufficient, LimitExceeded):
            return None


@pytest.mark.parametrize("seed", range(3))
async def test_concurrent_moves_on_one_wallet(database: AsyncDatabase[Document], seed: int) -> None:
    random = Random(seed)
    servers = await replicas(database, 3)
    await servers[0].move(Move("start", "p", Kind.DEPOSIT, 500))
    moves = random_moves(random, 45)
    ended = asyncio.Event()

    async def publishing() -> None:
        while not ended.is_set():
            await publish(database)

    relay = asyncio.create_task(publishing())
    answers = await asyncio.gather(*(patiently(random.choice(servers), move) for move in moves))
    ended.set()
    await relay

    by_request = {entry.request_id: entry for entry in await entries(database, "p")}
    for move, answer in zip(moves, answers, strict=True):
        if answer:  # the same entry for everyone who asked
            assert by_request[move.request_id] == answer
    moved = {entry.request_id for entry in answers if entry} | {"start"}
    assert moved == {request_id for request_id in by_request if not request_id.endswith("/decision")}


async def test_concurrent_first_moves(database: AsyncDatabase[Document], wallets: Wallets) -> None:
    moves = [Move(f"r{number % 4}", "new", Kind.DEPOSIT, 10) for number in range(12)]
    await asyncio.gather(*(patiently(wallets, move) for move in moves))
    assert len(await entries(database, "new")) == 4


async def test_concurrent_deposits_up_to_the_limit(database: AsyncDatabase[Document]) -> None:
    servers = await replicas(database, 3)
    await servers[0].set_limits("p", Limits(deposit_per_day=100, bet=1), NOW)
    moves = [Move(f"r{number}", "p", Kind.DEPOSIT, 10) for number in range(20)]
    answers = await asyncio.gather(*(patiently(Random(0).choice(servers), move) for move in moves))
    assert len([answer for answer in answers if answer]) == 10
    assert (await reconciled(database)).balances == 100


async def test_limits_hold_for_every_move_decided_after_them(database: AsyncDatabase[Document]) -> None:
    servers = await replicas(database, 3)
    await servers[0].move(Move("start", "p", Kind.DEPOSIT, 100_000))
    ended = asyncio.Event()

    async def bets(name: str, server: Wallets) -> None:
        number = 0
        while not ended.is_set():
            await patiently(server, Move(f"{name}{number}", "p", Kind.BET, 50))
            number += 1

    async def grown(sequence: int) -> bool:
        return (await servers[2].wallet("p")).sequence >= sequence

    async with asyncio.TaskGroup() as work:
        for name, server in zip("ab", servers, strict=False):
            work.create_task(bets(name, server))
        for _ in range(8):
            await servers[2].set_limits("p", Limits(100_000, bet=50), LONG_AGO)
            await until(partial(grown, (await servers[2].wallet("p")).sequence + 2), 30)
            await servers[2].set_limits("p", Limits(100_000, bet=49), NOW)
            end = (await servers[2].wallet("p")).sequence
            await asyncio.sleep(0.05)  # what was under way would have been swapped by now
            assert not await grown(end + 1)
        ended.set()
    await reconciled(database)


async def test_limits_before_there_is_money(database: AsyncDatabase[Document], wallets: Wallets) -> None:
    assert await wallets.limits("p") == UNSET
    await wallets.set_limits("p", Limits(100, 10), NOW)
    assert await wallets.limits("p") == Held(Limits(100, 10))
    assert (await wallets.wallet("p")).balance == 0
    await wallets.move(Move("d", "p", Kind.DEPOSIT, 100))
    with pytest.raises(LimitExceeded):
        await wallets.move(Move("e", "p", Kind.DEPOSIT, 1))
    await wallets.set_limits("p", Limits(101, 10), LONG_AGO)
    assert (await wallets.move(Move("e", "p", Kind.DEPOSIT, 1))).balance_after == 101
    assert await wallets.move(Move("d", "p", Kind.DEPOSIT, 100))  # sent again, whatever the limit is by now
    await reconciled(database)


# PyMongo leaves the socket of a connection that is cancelled while it is made to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("seed", range(3))
async def test_moves_that_are_broken_off_anywhere(
    database: AsyncDatabase[Document], wallets: Wallets, seed: int
) -> None:
    random = Random(seed)
    await wallets.move(Move("start", "p", Kind.DEPOSIT, 500))
    moves = random_moves(random, 45)

    async def broken_off(move: Move) -> None:
        try:
            async with asyncio.timeout(random.uniform(0, 0.06)):
                await wallets.move(move)
                await publish(database)
        except (TimeoutError, Insufficient, Contention, ConnectionFailure):
            pass

    for start in range(0, len(moves), 3):
        await asyncio.gather(*(broken_off(move) for move in moves[start : start + 3]))
    await reconciled(database)
    before = {move.request_id: await wallets.entry("p", move.request_id) for move in moves}
    for move in moves:  # who asks again gets what was decided, or has it decided now
        answer = await patiently(wallets, move)
        assert before[move.request_id] in (None, answer)
    await reconciled(database)
    gc.collect()


async def test_contention_ends_in_a_clear_refusal(
    database: AsyncDatabase[Document], wallets: Wallets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "ATTEMPTS", 1)
    await wallets.move(Move("start", "p", Kind.DEPOSIT, 500))
    moves = [wallets.move(Move(f"r{number}", "p", Kind.BET, 1)) for number in range(10)]
    answers = await asyncio.gather(*moves, return_exceptions=True)
    assert any(isinstance(answer, Contention) for answer in answers)
    moved = [answer for answer in answers if isinstance(answer, Entry)]
    assert len(await entries(database, "p")) == 1 + len(moved)


async def leave_behind(
    database: AsyncDatabase[Document], wallets: Wallets, filed: bool, age: timedelta = 2 * PATIENCE
) -> Entry:
    """What a server leaves that dies after its decision, before or after the entry is in the ledger."""
    await wallets.move(Move("start", "p", Kind.DEPOSIT, 500))
    await publish(database)
    now = datetime.now(UTC) - age
    entry = decide(await wallets.wallet("p"), Move("bet", "p", Kind.BET, 20), now, {}).entries[0]
    change = {"$set": {"balance": 480, "sequence": 2}, "$push": {"pending": asdict(entry)}}
    await database["wallets"].update_one({"_id": "p"}, change)
    if filed:
        await database["ledger"].insert_one({"_id": "p/bet", "place": "p/2", **asdict(entry)})
    return entry


@pytest.mark.parametrize("filed", [False, True])
async def test_the_next_move_adds_to_the_ledger_what_a_crash_left(
    database: AsyncDatabase[Document], wallets: Wallets, filed: bool
) -> None:
    entry = await leave_behind(database, wallets, filed)
    assert await wallets.move(Move("bet", "p", Kind.BET, 20)) == entry
    await wallets.move(Move("next", "p", Kind.BET, 5))
    assert [it.request_id for it in (await wallets.wallet("p")).pending] == ["next"]
    assert await database["ledger"].count_documents({}) == 2
    assert len(await entries(database, "p")) == 3
    assert await publish(database) == ["p/bet", "p/next"]
    assert await publish(database) == []


async def test_entries_wait_a_moment_to_be_added_together(database: AsyncDatabase[Document], wallets: Wallets) -> None:
    await leave_behind(database, wallets, filed=False, age=timedelta(0))
    await wallets.move(Move("next", "p", Kind.BET, 5))
    assert [it.request_id for it in (await wallets.wallet("p")).pending] == ["bet", "next"]
    assert await database["ledger"].count_documents({}) == 1
    assert len(await entries(database, "p")) == 3


async def test_a_wallet_of_an_earlier_release(database: AsyncDatabase[Document], wallets: Wallets) -> None:
    """It knows no limits, no deposits of a day and no events; its entries in the ledger have another index."""
    old = [
        {"request_id": "d", "kind": "deposit", "amount": 500, "balance_after": 500, "sequence": 1},
        {"request_id": "b", "kind": "bet", "amount": -20, "balance_after": 480, "sequence": 2},
    ]
    old = [
        {**entry, "player_id": "p", "reference": "", "created_at": datetime(2026, 1, 2, tzinfo=UTC)} for entry in old
    ]
    await database["ledger"].create_index([("player_id", -1), ("sequence", -1)], unique=True)
    await database["ledger"].insert_one({"_id": "p/d", **old[0]})
    await database["wallets"].insert_one({"_id": "p", "balance": 480, "sequence": 2, "pending": old[1:]})

    assert (await wallets.move(Move("w", "p", Kind.WIN, 5))).balance_after == 485
    assert await wallets.move(Move("d", "p", Kind.DEPOSIT, 500))
    await wallets.set_limits("p", Limits(100, 100), NOW)
    await wallets.move(Move("e", "p", Kind.DEPOSIT, 100))
    assert [entry.request_id for entry in await entries(database, "p")] == ["d", "b", "w", "e"]
    assert await publish(database) == ["p/b", "p/w", "p/e"]
    assert [entry.request_id for entry in await entries(database, "p")] == ["d", "b", "w", "e"]


async def test_request_ids_belong_to_a_player(wallets: Wallets) -> None:
    first = await wallets.move(Move("1", "ada", Kind.DEPOSIT, 10))
    second = await wallets.move(Move("1", "bob", Kind.DEPOSIT, 20))
    assert (first.balance_after, second.balance_after) == (10, 20)
    assert await wallets.entry("eve", "1") is None


async def test_the_newest_entries_wherever_they_are(database: AsyncDatabase[Document], wallets: Wallets) -> None:
    for number in range(6):
        await wallets.move(Move(f"r{number}", "p", Kind.DEPOSIT, 1))
        if number == 3:
            await publish(database)
    for limit in range(1, 8):
        newest = [entry.sequence for entry in await wallets.entries("p", limit)]
        assert newest == [6, 5, 4, 3, 2, 1][:limit]


@pytest.mark.parametrize("seed", range(4))
async def test_contradicting_decisions_at_once_leave_one(database: AsyncDatabase[Document], seed: int) -> None:
    servers = await replicas(database, 3)
    await servers[0].move(Move("start", "p", Kind.DEPOSIT, 200_000))
    await servers[0].move(Move("out", "p", Kind.WITHDRAWAL, 150_000))
    wanted = Random(seed).choices([State.SETTLED, State.REJECTED], k=8)

    async def decided(server: Wallets, state: State) -> State | None:
        transfer = await server.transfer("p", "out")
        try:
            if move := decision(transfer, state, "s"):
                await server.move(move)
        except (WrongState, Conflict):
            return None
        return state

    answers = await asyncio.gather(*(decided(servers[index % 3], state) for index, state in enumerate(wanted)))
    outcome = (await servers[0].transfer("p", "out")).state
    assert {answer for answer in answers if answer} == {outcome}
    assert len(await entries(database, "p")) == 3
    assert (await reconciled(database)).balances == (50_000 if outcome is State.SETTLED else 200_000)
