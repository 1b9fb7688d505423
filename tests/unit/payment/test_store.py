"""Wallets on a real server: concurrency, crashes, repairs."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import UTC, datetime
from random import Random

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure
from reelback_common.mongo import Document
from reelback_payment import store
from reelback_payment.store import Contention, Wallets
from reelback_payment.wallet import Entry, Insufficient, Kind, Move, decide

from tests.unit import services


@pytest.fixture
async def database(mongodb_url: str) -> AsyncIterator[AsyncDatabase[Document]]:
    async with services.database(mongodb_url) as opened:
        yield opened


@pytest.fixture
async def wallets(database: AsyncDatabase[Document]) -> Wallets:
    wallets = Wallets(database)
    await wallets.ready()
    return wallets


async def assert_exact(database: AsyncDatabase[Document], player_id: str) -> list[Entry]:
    """The ledger alone accounts for the balance, entry by entry; nothing is pending. The entries, oldest first."""
    wallet = await Wallets(database).wallet(player_id)
    entries = (await Wallets(database).entries(player_id, 500))[::-1]
    assert [entry.sequence for entry in entries] == list(range(1, wallet.sequence + 1))
    balance = 0
    for entry in entries:
        balance += entry.amount
        assert entry.balance_after == balance >= 0
    assert balance == wallet.balance
    assert len({entry.request_id for entry in entries}) == len(entries)
    assert (await Wallets(database).wallet(player_id)).pending == ()
    return entries


def random_moves(random: Random, count: int) -> list[Move]:
    kinds = {f"r{number}": random.choice(list(Kind)) for number in range(count * 2 // 3)}
    amounts = {request_id: random.randint(1, 100) for request_id in kinds}
    asked = random.choices(list(kinds), k=count)
    return [Move(request_id, "p", kinds[request_id], amounts[request_id]) for request_id in asked]


async def patiently(wallets: Wallets, move: Move) -> Entry | None:
    """As callers do: again on contention, or when the store is slow. None when the balance does not cover it."""
    while True:
        try:
            return await wallets.move(move)
        except (Contention, ConnectionFailure):
            continue
        except Insufficient:
            return None


@pytest.mark.parametrize("seed", range(3))
async def test_concurrent_moves_on_one_wallet(database: AsyncDatabase[Document], seed: int) -> None:
    random = Random(seed)
    servers = [Wallets(database), Wallets(database)]
    await asyncio.gather(*(server.ready() for server in servers))
    await servers[0].move(Move("start", "p", Kind.DEPOSIT, 500))
    moves = random_moves(random, 45)

    answers = await asyncio.gather(*(patiently(random.choice(servers), move) for move in moves))

    by_request = {entry.request_id: entry for entry in await assert_exact(database, "p")}
    for move, answer in zip(moves, answers, strict=True):
        if answer:  # the same entry for everyone who asked
            assert by_request[move.request_id] == answer
    assert {entry.request_id for entry in answers if entry} | {"start"} == set(by_request)


async def test_concurrent_first_moves(database: AsyncDatabase[Document], wallets: Wallets) -> None:
    moves = [Move(f"r{number % 4}", "new", Kind.DEPOSIT, 10) for number in range(12)]
    await asyncio.gather(*(patiently(wallets, move) for move in moves))
    assert len(await assert_exact(database, "new")) == 4


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
        except (TimeoutError, Insufficient, Contention, ConnectionFailure):
            pass

    for start in range(0, len(moves), 3):
        await asyncio.gather(*(broken_off(move) for move in moves[start : start + 3]))
    await assert_exact(database, "p")
    before = {move.request_id: await wallets.entry("p", move.request_id) for move in moves}
    for move in moves:  # who asks again gets what was decided, or has it decided now
        answer = await patiently(wallets, move)
        assert before[move.request_id] in (None, answer)
    await assert_exact(database, "p")
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
    assert len(await assert_exact(database, "p")) == 1 + len(moved)


async def crash(database: AsyncDatabase[Document], wallets: Wallets, copied: bool) -> Entry:
    """Leave behind what a server does that dies after its decision, before or after the copy to the ledger."""
    await wallets.move(Move("start", "p", Kind.DEPOSIT, 500))
    entry = decide(await wallets.wallet("p"), Move("bet", "p", Kind.BET, 20), datetime.now(UTC))
    change = {"$set": {"balance": 480, "sequence": 2}, "$push": {"pending": asdict(entry)}}
    await database["wallets"].update_one({"_id": "p"}, change)
    if copied:
        await database["ledger"].insert_one({"_id": "p/bet", **asdict(entry)})
    return entry


@pytest.mark.parametrize("copied", [False, True])
async def test_the_next_move_settles_what_a_crash_left(
    database: AsyncDatabase[Document], wallets: Wallets, copied: bool
) -> None:
    entry = await crash(database, wallets, copied)
    assert await wallets.move(Move("bet", "p", Kind.BET, 20)) == entry
    await wallets.move(Move("next", "p", Kind.BET, 5))
    assert (await wallets.wallet("p")).pending == ()
    assert await database["ledger"].count_documents({}) == 3
    await assert_exact(database, "p")


@pytest.mark.parametrize("copied", [False, True])
async def test_a_start_settles_what_a_crash_left(
    database: AsyncDatabase[Document], wallets: Wallets, copied: bool
) -> None:
    entry = await crash(database, wallets, copied)
    restarted = Wallets(database)
    await restarted.ready()
    assert (await restarted.wallet("p")).pending == ()
    assert await restarted.entry("p", "bet") == entry
    await assert_exact(database, "p")


async def test_request_ids_belong_to_a_player(wallets: Wallets) -> None:
    first = await wallets.move(Move("1", "ada", Kind.DEPOSIT, 10))
    second = await wallets.move(Move("1", "bob", Kind.DEPOSIT, 20))
    assert (first.balance_after, second.balance_after) == (10, 20)
    assert await wallets.entry("eve", "1") is None
