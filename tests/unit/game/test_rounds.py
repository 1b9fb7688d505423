"""Rounds over gRPC, with a real payment behind: played once, resumed after every kind of interruption."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import StatusCode
from reelback.v1 import game_pb2, payment_pb2
from reelback.v1.game_pb2_grpc import GameStub
from reelback.v1.payment_pb2_grpc import PaymentStub
from reelback_common import faults
from reelback_game.odds import theoretical_rtp, variance
from reelback_game.rounds import round_id
from reelback_game.slots import CLASSIC
from reelback_game.store import Rounds
from reelback_game.table import Table
from reelback_payment.store import Wallets

from tests.unit import services

if TYPE_CHECKING:
    from pymongo.asynchronous.database import AsyncDatabase
    from reelback.v1.game_pb2_grpc import GameAsyncStub
    from reelback.v1.payment_pb2_grpc import PaymentAsyncStub
    from reelback_common.mongo import Document

SEED = 4
NOW = timedelta(0)


@dataclass
class Casino:
    """Game and payment, and what lies beneath."""

    game: GameAsyncStub
    payment: PaymentAsyncStub
    rounds: Rounds
    table: Table
    database: AsyncDatabase[Document]

    async def spin(self, request_id: str, bet: int = 10) -> game_pb2.Round:
        return await self.game.Spin(game_pb2.SpinRequest(request_id=request_id, player_id="p", bet=bet))

    async def deposit(self, amount: int) -> None:
        request_id = f"deposit-{amount}"
        await self.payment.Deposit(payment_pb2.MoveRequest(request_id=request_id, player_id="p", amount=amount))

    async def balance(self) -> int:
        return (await self.payment.GetWallet(payment_pb2.GetWalletRequest(player_id="p"))).balance

    async def moves(self) -> list[str]:
        request = payment_pb2.ListEntriesRequest(player_id="p", limit=500)
        return [entry.request_id async for entry in self.payment.ListEntries(request)]

    async def listed(self) -> list[game_pb2.Round]:
        request = game_pb2.ListRoundsRequest(player_id="p", limit=500)
        return list((await self.game.ListRounds(request)).rounds)

    async def is_open(self, request_id: str) -> bool:
        return await self.database["open_rounds"].find_one({"_id": round_id("p", request_id)}) is not None

    async def publish(self) -> None:
        """What the relay does, without a broker."""
        await self.rounds.published(await self.rounds.unpublished(500))


@pytest.fixture
async def casino(mongodb_url: str) -> AsyncIterator[Casino]:
    async with services.database(mongodb_url) as database, services.payment(Wallets(database)) as payment:
        rounds = Rounds(database)
        async with services.game(rounds, payment, SEED) as game:
            table = Table(CLASSIC, Random(SEED), rounds, PaymentStub(payment), lambda _: None)
            yield Casino(GameStub(game), PaymentStub(payment), rounds, table, database)
    faults.configure({})


async def refused(call: Any) -> tuple[StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def winning(casino: Casino) -> tuple[game_pb2.Round, int]:
    """The first round that wins, and how many were played before it."""
    for number in range(50):
        played = await casino.spin(f"look-{number}")
        if played.win:
            return played, number
    raise AssertionError("no win in 50 rounds")


async def test_rounds_take_bets_and_pay_wins(casino: Casino) -> None:
    await casino.deposit(1000)
    played = [await casino.spin(f"r{number}") for number in range(20)]
    balance = 1000
    for round_ in played:
        balance += round_.win - 10
        assert round_.balance_after == balance
        assert round_.win == sum(win.amount for win in round_.wins)
        assert len(round_.symbols) == round_.rows * round_.reels == 15
    assert await casino.balance() == balance
    assert any(round_.win for round_ in played)
    assert await casino.listed() == played[::-1]


async def test_a_seed_decides_the_outcomes(casino: Casino) -> None:
    await casino.deposit(1000)
    rng = Random(SEED)
    for number in range(5):
        assert tuple((await casino.spin(f"r{number}")).symbols) == CLASSIC.spin(10, rng).window


async def test_a_round_sent_again_is_the_same_round(casino: Casino) -> None:
    await casino.deposit(1000)
    first = await casino.spin("r")
    answers = await asyncio.gather(*(casino.spin("r") for _ in range(5)))
    assert all(answer == first for answer in answers)
    assert await casino.balance() == first.balance_after
    code, details = await refused(casino.spin("r", bet=20))
    assert (code, "bet of 10" in details) == (StatusCode.ALREADY_EXISTS, True)


async def test_a_round_whose_event_is_published_is_still_the_same_round(casino: Casino) -> None:
    await casino.deposit(1000)
    first = await casino.spin("r")
    await casino.publish()
    assert not await casino.is_open("r")
    assert await casino.spin("r") == first
    assert (await refused(casino.spin("r", bet=20)))[0] is StatusCode.ALREADY_EXISTS
    assert not await casino.is_open("r")
    assert await casino.moves() == [f"{first.round_id}:win"] * bool(first.win) + [
        f"{first.round_id}:bet",
        "deposit-1000",
    ]


async def test_rounds_published_while_they_are_sent_again_are_played_once(casino: Casino) -> None:
    await casino.deposit(5000)
    ended = asyncio.Event()

    async def publish() -> None:
        while not ended.is_set():
            await casino.publish()

    publishing = asyncio.create_task(publish())
    for number in range(25):
        answers = await asyncio.gather(*(casino.spin(f"r{number}") for _ in range(4)))
        assert all(answer == answers[0] for answer in answers)
    ended.set()
    await publishing
    assert len([move for move in await casino.moves() if move.endswith(":bet")]) == 25
    assert len(await casino.listed()) == 25


async def test_the_newest_rounds_are_found_behind_other_entries(casino: Casino) -> None:
    await casino.deposit(1000)
    played = [await casino.spin(f"r{number}") for number in range(5)]
    for amount in range(1, 60):
        await casino.deposit(amount)
    played.append(await casino.spin("last"))
    for limit in (1, 3, 6, 500):
        request = game_pb2.ListRoundsRequest(player_id="p", limit=limit)
        assert list((await casino.game.ListRounds(request)).rounds) == played[::-1][:limit]


async def test_a_round_asked_for_at_once_is_played_once(casino: Casino) -> None:
    await casino.deposit(1000)
    for number in range(5):
        answers = await asyncio.gather(*(casino.spin(f"r{number}") for _ in range(4)))
        assert all(answer == answers[0] for answer in answers)
    assert len([move for move in await casino.moves() if move.endswith(":bet")]) == 5


async def test_a_bet_that_payment_refuses_is_no_round_until_it_is_sent_again(casino: Casino) -> None:
    code, details = await refused(casino.spin("r"))
    assert (code, details) == (StatusCode.FAILED_PRECONDITION, "the balance of 0 does not cover 10")
    assert await casino.listed() == []
    await casino.publish()
    await casino.deposit(100)
    assert (await casino.spin("r")).balance_after == await casino.balance()


async def test_a_round_whose_bet_failed_is_finished_by_a_retry(casino: Casino) -> None:
    await casino.deposit(1000)
    faults.configure({"payment.charge.error_rate": 1})
    assert (await refused(casino.spin("r")))[0] is StatusCode.UNKNOWN
    assert await casino.is_open("r")
    assert await casino.balance() == 1000
    faults.configure({})
    assert await casino.spin("r") in await casino.listed()


async def interrupt(casino: Casino, paid: bool) -> game_pb2.Round:
    """A winning round whose game died before the win was paid, or just after; as it should have been."""
    await casino.deposit(1000)
    played, _ = await winning(casino)
    document = await casino.database["open_rounds"].find_one({"_id": played.round_id})
    assert document
    played.request_id, played.round_id = "cut", round_id("p", "cut")
    await casino.database["open_rounds"].insert_one({**document, "_id": played.round_id, "request_id": "cut"})
    for call, suffix, amount in (
        (casino.payment.Charge, "bet", 10),
        *([(casino.payment.Payout, "win", played.win)] if paid else []),
    ):
        request_id = f"{played.round_id}:{suffix}"
        await call(payment_pb2.MoveRequest(request_id=request_id, player_id="p", amount=amount))
    played.balance_after = await casino.balance() + (0 if paid else played.win)
    return played


@pytest.mark.parametrize("paid", [False, True])
async def test_a_retry_finishes_what_was_interrupted(casino: Casino, paid: bool) -> None:
    expected = await interrupt(casino, paid)
    assert await casino.spin("cut") == expected
    assert await casino.balance() == expected.balance_after


@pytest.mark.parametrize("paid", [False, True])
async def test_the_sweep_finishes_what_nobody_asks_for_again(casino: Casino, paid: bool) -> None:
    expected = await interrupt(casino, paid)
    await casino.table.finish_interrupted(timedelta(minutes=1))
    assert expected not in await casino.listed()  # too young
    await casino.table.finish_interrupted(NOW)
    assert expected in await casino.listed()
    assert await casino.balance() == expected.balance_after


async def test_the_sweep_takes_no_bet_that_was_not_taken(casino: Casino) -> None:
    await casino.deposit(1000)
    faults.configure({"payment.charge.error_rate": 1})
    await refused(casino.spin("r"))
    faults.configure({})
    await casino.table.finish_interrupted(NOW)
    assert not await casino.is_open("r")
    assert await casino.balance() == 1000


async def test_a_round_that_is_asked_for_again_is_not_dropped(casino: Casino) -> None:
    await casino.deposit(1000)
    faults.configure({"payment.charge.error_rate": 1})
    await refused(casino.spin("r"))
    (seen,) = await casino.rounds.interrupted(NOW, 10)
    await refused(casino.spin("r"))
    await casino.rounds.drop(seen)
    assert await casino.is_open("r")


# PyMongo leaves the socket of a connection that is cancelled while it is made to the garbage collector.
@pytest.mark.filterwarnings("ignore:.*socket.socket:pytest.PytestUnraisableExceptionWarning")
async def test_rounds_broken_off_anywhere_cost_and_pay_once(casino: Casino) -> None:
    await casino.deposit(5000)
    random = Random(1)
    for number in range(25):
        for _ in range(2):
            try:
                async with asyncio.timeout(random.uniform(0, 0.05)):
                    await casino.spin(f"r{number}", 10)
            except (TimeoutError, grpc.aio.AioRpcError):
                pass
    await casino.table.finish_interrupted(NOW)
    rounds = await casino.listed()
    expected = sorted(
        [f"{it.round_id}:bet" for it in rounds] + [f"{it.round_id}:win" for it in rounds if it.win] + ["deposit-5000"]
    )
    assert sorted(await casino.moves()) == expected
    assert await casino.balance() == 5000 + sum(it.win - it.bet for it in rounds)
    gc.collect()


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (game_pb2.SpinRequest(request_id="r", player_id="p", bet=0), "bet"),
        (game_pb2.SpinRequest(request_id="r", player_id="p", bet=12), "bet"),
        (game_pb2.SpinRequest(request_id="r", player_id="p", bet=10_010), "bet"),
        (game_pb2.SpinRequest(request_id="", player_id="p", bet=10), "request_id"),
        (game_pb2.SpinRequest(request_id="r", player_id="/", bet=10), "player_id"),
    ],
)
async def test_bad_bets_name_the_field(casino: Casino, request_: game_pb2.SpinRequest, field: str) -> None:
    code, details = await refused(casino.game.Spin(request_))
    assert code is StatusCode.INVALID_ARGUMENT
    assert details.startswith(f"{field}: ")


async def test_bad_lists_name_the_field(casino: Casino) -> None:
    for request, field in (
        (game_pb2.ListRoundsRequest(player_id="p", limit=501), "limit"),
        (game_pb2.ListRoundsRequest(), "player_id"),
    ):
        code, details = await refused(casino.game.ListRounds(request))
        assert code is StatusCode.INVALID_ARGUMENT
        assert details.startswith(f"{field}: ")


async def test_the_paytable_is_the_machine(casino: Casino) -> None:
    paytable = await casino.game.GetPaytable(game_pb2.GetPaytableRequest())
    assert [tuple(line.rows) for line in paytable.lines] == list(CLASSIC.lines)
    assert {(pay.symbol, pay.count): pay.multiplier for pay in paytable.pays}[("seven", 5)] == 1000
    assert paytable.theoretical_rtp == float(theoretical_rtp(CLASSIC))
    assert (paytable.game, paytable.variance) == ("classic", float(variance(CLASSIC)))
