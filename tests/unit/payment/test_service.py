"""Payment over gRPC, with the real user service behind."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import StatusCode
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import payment_pb2, user_pb2
from reelback.v1.events_pb2 import PaymentFailed
from reelback.v1.payment_pb2_grpc import PaymentStub
from reelback.v1.user_pb2_grpc import UserStub
from reelback_common import client, faults, mongo
from reelback_common.client import Channel
from reelback_common.events import Outgoing
from reelback_common.mongo import Document
from reelback_common.staff import roles
from reelback_payment.limits import DEFAULT, PLATFORM
from reelback_payment.store import Wallets
from reelback_payment.wallet import INSTANT_WITHDRAWAL, MAX_AMOUNT
from reelback_user.store import Accounts

from tests.unit import services
from tests.unit.common.ports import free_port
from tests.unit.payment.books import reconciled

if TYPE_CHECKING:
    from reelback.v1.payment_pb2_grpc import PaymentAsyncStub


@dataclass
class Bank:
    """Payment, and what lies beneath; `told` are the events of failed payments."""

    payment: PaymentAsyncStub
    database: AsyncDatabase[Document]
    told: list[Outgoing] = field(default_factory=list)

    async def balance(self, player_id: str = "p") -> int:
        """While the books are in order."""
        await reconciled(self.database)
        return (await self.payment.GetWallet(payment_pb2.GetWalletRequest(player_id=player_id))).balance

    async def entries(self) -> int:
        return (await reconciled(self.database)).entries

    def failures(self) -> list[tuple[str, str]]:
        return [
            (it.event.payment_failed.request_id, PaymentFailed.Reason.Name(it.event.payment_failed.reason))
            for it in self.told
        ]


@asynccontextmanager
async def opened(mongodb_url: str, user: Channel | None = None) -> AsyncIterator[Bank]:
    """Payment that asks `user`; without, everybody is known and verified."""
    told: list[Outgoing] = []
    async with (
        services.database(mongodb_url) as database,
        services.payment(Wallets(database), user, told.append) as channel,
    ):
        yield Bank(PaymentStub(channel), database, told)


@pytest.fixture
async def bank(mongodb_url: str) -> AsyncIterator[Bank]:
    async with opened(mongodb_url) as it:
        yield it


@pytest.fixture
async def user(mongodb_url: str, redis_url: str) -> AsyncIterator[Channel]:
    async with (
        services.database(mongodb_url) as database,
        services.user(Accounts(database), redis_url) as channel,
    ):
        yield channel


async def player(user: Channel, kyc: user_pb2.Kyc) -> str:
    """The id of a player who has come so far."""
    stub = UserStub(user)
    registered = await stub.Register(
        user_pb2.RegisterRequest(email="ada@example.com", password="correct horse", display_name="Ada")
    )
    player_id: str = registered.player_id
    if kyc != user_pb2.KYC_NONE:
        await stub.SubmitKyc(user_pb2.SubmitKycRequest(player_id=player_id))
    if kyc not in (user_pb2.KYC_NONE, user_pb2.KYC_PENDING):
        session_id = await services.signed_in_as(stub, roles.SUPPORT)
        await stub.DecideKyc(user_pb2.DecideKycRequest(player_id=player_id, kyc=kyc, session_id=session_id))
    return player_id


@pytest.fixture
def no_faults() -> Iterator[None]:
    yield
    faults.configure({})


def move(request_id: str, amount: int, player_id: str = "p", reference: str = "") -> payment_pb2.MoveRequest:
    return payment_pb2.MoveRequest(request_id=request_id, player_id=player_id, amount=amount, reference=reference)


def decide(request_id: str, decision: payment_pb2.Decision) -> payment_pb2.DecideRequest:
    return payment_pb2.DecideRequest(
        request_id=request_id, player_id="p", decision=decision, session_id=services.DECIDER
    )


def get(request_id: str) -> payment_pb2.GetEntryRequest:
    return payment_pb2.GetEntryRequest(request_id=request_id, player_id="p")


async def refused(call: Any) -> tuple[StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_money_comes_and_goes(bank: Bank) -> None:
    deposit = await bank.payment.Deposit(move("d", 1000))
    assert (deposit.kind, deposit.amount, deposit.sequence) == (payment_pb2.ENTRY_KIND_DEPOSIT, 1000, 1)
    bet = await bank.payment.Charge(move("b", 300, reference="round"))
    assert (bet.kind, bet.amount, bet.balance_after, bet.reference) == (payment_pb2.ENTRY_KIND_BET, -300, 700, "round")
    assert (await bank.payment.Payout(move("w", 50))).balance_after == 750
    assert (await bank.payment.Withdraw(move("o", 750))).balance_after == 0
    wallet = await bank.payment.GetWallet(payment_pb2.GetWalletRequest(player_id="p"))
    assert (wallet.balance, wallet.currency) == (0, "EUR")

    request = payment_pb2.ListEntriesRequest(player_id="p", limit=4)
    newest = [entry async for entry in bank.payment.ListEntries(request)]
    assert [entry.request_id for entry in newest] == ["o/decision", "o", "w", "b"]
    assert newest[3] == bet
    assert await bank.payment.GetEntry(get("b")) == bet
    assert await bank.balance() == 0
    assert bank.failures() == []


async def test_a_request_sent_again_moves_nothing(bank: Bank) -> None:
    first = await bank.payment.Deposit(move("d", 1000))
    assert await bank.payment.Deposit(move("d", 1000)) == first
    for again in (bank.payment.Deposit(move("d", 999)), bank.payment.Payout(move("d", 1000))):
        code, details = await refused(again)
        assert code is StatusCode.ALREADY_EXISTS
        assert "request_id: d was used for a deposit of 1000" in details
    assert await bank.balance() == 1000
    assert bank.failures() == []


async def test_what_the_balance_does_not_cover(bank: Bank) -> None:
    code, details = await refused(bank.payment.Charge(move("b", 1)))
    assert (code, details) == (StatusCode.FAILED_PRECONDITION, "the balance of 0 does not cover 1")
    assert await bank.entries() == 0
    assert bank.failures() == [("b", "DECLINED")]


BAD_MOVES = [
    (move("d", 0), "amount"),
    (move("d", -5), "amount"),
    (move("d", MAX_AMOUNT + 1), "amount"),
    (move("d", 2**62), "amount"),
    (move("", 5), "request_id"),
    (move("d/decision", 5), "request_id"),
    (move("d", 5, player_id=""), "player_id"),
    (move("d", 5, reference="no spaces"), "reference"),
]


@pytest.mark.parametrize("method", ["Deposit", "Withdraw", "Charge", "Payout"])
async def test_bad_moves_name_the_field(bank: Bank, method: str) -> None:
    for request, field_ in BAD_MOVES:
        code, details = await refused(getattr(bank.payment, method)(request))
        assert (code, details.split(":")[0]) == (StatusCode.INVALID_ARGUMENT, field_)
    assert await bank.entries() == 0
    assert bank.failures() == []


async def test_bad_lists_name_the_field(bank: Bank) -> None:
    for player_id, limit, field_ in (("p", -1, "limit"), ("p", 501, "limit"), ("", 0, "player_id")):
        request = payment_pb2.ListEntriesRequest(player_id=player_id, limit=limit)
        code, details = await refused(anext(aiter(bank.payment.ListEntries(request))))
        assert (code, details.split(":")[0]) == (StatusCode.INVALID_ARGUMENT, field_)


async def test_a_request_that_moved_nothing_is_not_found(bank: Bank) -> None:
    assert (await refused(bank.payment.GetEntry(get("x"))))[0] is StatusCode.NOT_FOUND
    assert (await refused(bank.payment.GetTransfer(get("x"))))[0] is StatusCode.NOT_FOUND


async def test_players_are_those_whom_user_knows(mongodb_url: str, user: Channel) -> None:
    async with opened(mongodb_url, user) as bank:
        for call in (bank.payment.Deposit, bank.payment.Withdraw):
            code, details = await refused(call(move("x", 10, player_id="nobody")))
            assert (code, details) == (StatusCode.NOT_FOUND, "player_id: no such player")
        assert await bank.entries() == 0
        assert bank.failures() == []


@pytest.mark.parametrize(
    ("kyc", "state"),
    [(user_pb2.KYC_NONE, "none"), (user_pb2.KYC_PENDING, "pending"), (user_pb2.KYC_REFUSED, "refused")],
)
async def test_only_the_verified_withdraw(mongodb_url: str, user: Channel, kyc: user_pb2.Kyc, state: str) -> None:
    async with opened(mongodb_url, user) as bank:
        player_id = await player(user, kyc)
        await bank.payment.Deposit(move("d", 1000, player_id))
        code, details = await refused(bank.payment.Withdraw(move("o", 10, player_id)))
        assert code is StatusCode.FAILED_PRECONDITION
        assert details == f"kyc: the player must be verified to withdraw, the state is {state}"
        assert await bank.balance(player_id) == 1000
        assert await bank.entries() == 1
        assert bank.failures() == [("o", "DECLINED")]


async def test_the_verified_withdraw_and_a_request_sent_again_does_not_ask(mongodb_url: str, user: Channel) -> None:
    async with opened(mongodb_url, user) as bank:
        player_id = await player(user, user_pb2.KYC_VERIFIED)
        first = await bank.payment.Deposit(move("d", 1000, player_id))
        out = await bank.payment.Withdraw(move("o", 10, player_id))
        assert (first.balance_after, out.balance_after) == (1000, 990)
        async with (
            client.connect(f"ipv4:127.0.0.1:{free_port()}") as nobody,
            services.payment(Wallets(bank.database), nobody) as channel,
        ):
            assert await PaymentStub(channel).Deposit(move("d", 1000, player_id)) == first
            assert await PaymentStub(channel).Withdraw(move("o", 10, player_id)) == out
        assert await bank.balance(player_id) == 990


async def test_a_large_withdrawal_waits_for_a_decision(bank: Bank) -> None:
    amount = INSTANT_WITHDRAWAL + 1
    await bank.payment.Deposit(move("d", 3 * amount))
    for request_id in ("o", "u"):
        taken = await bank.payment.Withdraw(move(request_id, amount))
        pending = await bank.payment.GetTransfer(get(request_id))
        assert pending == payment_pb2.Transfer(entry=taken, state=payment_pb2.TRANSFER_STATE_PENDING)
    assert await bank.balance() == amount

    settled = await bank.payment.Decide(decide("o", payment_pb2.DECISION_SETTLE))
    assert settled.state == payment_pb2.TRANSFER_STATE_SETTLED
    assert await bank.balance() == amount
    rejected = await bank.payment.Decide(decide("u", payment_pb2.DECISION_REJECT))
    assert rejected.state == payment_pb2.TRANSFER_STATE_REJECTED
    assert await bank.balance() == 2 * amount

    assert await bank.payment.Decide(decide("o", payment_pb2.DECISION_SETTLE)) == settled
    assert await bank.payment.Decide(decide("u", payment_pb2.DECISION_REJECT)) == rejected
    for request_id, decision in (("o", payment_pb2.DECISION_REJECT), ("u", payment_pb2.DECISION_SETTLE)):
        assert (await refused(bank.payment.Decide(decide(request_id, decision))))[0] is StatusCode.FAILED_PRECONDITION
    assert await bank.entries() == 5


async def test_a_small_withdrawal_is_settled_at_once(bank: Bank) -> None:
    await bank.payment.Deposit(move("d", 1000))
    await bank.payment.Withdraw(move("o", 1000))
    assert (await bank.payment.GetTransfer(get("o"))).state == payment_pb2.TRANSFER_STATE_SETTLED
    code, details = await refused(bank.payment.Decide(decide("o", payment_pb2.DECISION_REJECT)))
    assert (code, details) == (
        StatusCode.FAILED_PRECONDITION,
        "this withdrawal is settled, it cannot become rejected",
    )


async def test_a_deposit_is_reversed_while_the_balance_covers_it(bank: Bank) -> None:
    await bank.payment.Deposit(move("d", 1000))
    assert (await bank.payment.GetTransfer(get("d"))).state == payment_pb2.TRANSFER_STATE_SETTLED
    await bank.payment.Charge(move("b", 1))
    code, details = await refused(bank.payment.Decide(decide("d", payment_pb2.DECISION_REVERSE)))
    assert (code, details) == (StatusCode.FAILED_PRECONDITION, "the balance of 999 does not cover 1000")
    await bank.payment.Payout(move("w", 1))
    reversed_ = await bank.payment.Decide(decide("d", payment_pb2.DECISION_REVERSE))
    assert reversed_.state == payment_pb2.TRANSFER_STATE_REVERSED
    assert await bank.payment.Decide(decide("d", payment_pb2.DECISION_REVERSE)) == reversed_
    assert await bank.balance() == 0


async def test_decisions_that_make_no_sense(bank: Bank) -> None:
    await bank.payment.Deposit(move("d", 1000))
    await bank.payment.Charge(move("b", 10))
    code, details = await refused(bank.payment.Decide(decide("d", payment_pb2.DECISION_UNSPECIFIED)))
    assert (code, details.split(":")[0]) == (StatusCode.INVALID_ARGUMENT, "decision")
    for request_id in ("b", "nothing"):
        code, _ = await refused(bank.payment.Decide(decide(request_id, payment_pb2.DECISION_REVERSE)))
        assert code is StatusCode.NOT_FOUND
    assert (await refused(bank.payment.Decide(decide("d/decision", payment_pb2.DECISION_SETTLE))))[
        0
    ] is StatusCode.INVALID_ARGUMENT
    assert await bank.entries() == 2


async def test_limits_of_a_player(bank: Bank) -> None:
    asked = payment_pb2.GetLimitsRequest(player_id="p")
    default = payment_pb2.Limits(player_id="p", deposit_per_day=DEFAULT.deposit_per_day, bet=DEFAULT.bet)
    assert await bank.payment.GetLimits(asked) == default
    lower = payment_pb2.Limits(player_id="p", deposit_per_day=1000, bet=20)
    assert await bank.payment.SetLimits(lower) == lower
    assert await bank.payment.GetLimits(asked) == lower

    await bank.payment.Deposit(move("d", 600))
    code, details = await refused(bank.payment.Deposit(move("e", 401)))
    assert code is StatusCode.FAILED_PRECONDITION
    assert "limit of 1000" in details
    assert await bank.payment.Deposit(move("e", 400))
    code, details = await refused(bank.payment.Charge(move("b", 21)))
    assert (code, details) == (StatusCode.FAILED_PRECONDITION, "a bet of 21 is above the player's limit of 20")
    assert await bank.payment.Charge(move("b", 20))
    assert await bank.balance() == 980
    assert bank.failures() == [("e", "DECLINED"), ("b", "DECLINED")]

    for name in ("deposit_per_day", "bet"):
        for value in (0, -1, getattr(PLATFORM, name) + 1):
            bad = payment_pb2.Limits(player_id="p", deposit_per_day=1000, bet=20)
            setattr(bad, name, value)
            code, details = await refused(bank.payment.SetLimits(bad))
            assert (code, details.split(":")[0]) == (StatusCode.INVALID_ARGUMENT, name)
    assert await bank.payment.GetLimits(asked) == lower


@pytest.mark.usefixtures("no_faults")
async def test_a_charge_that_fails_on_purpose_moves_nothing(bank: Bank) -> None:
    await bank.payment.Deposit(move("d", 1000))
    faults.configure({"payment.charge.error_rate": 1})
    assert (await refused(bank.payment.Charge(move("b", 10))))[0] is StatusCode.UNKNOWN
    assert await bank.entries() == 1
    assert bank.failures() == [("b", "ERROR")]
    faults.configure({})
    assert (await bank.payment.Charge(move("b", 10))).balance_after == 990


async def test_user_is_asked_for_transfers_and_never_for_bets(mongodb_url: str) -> None:
    async with client.connect(f"ipv4:127.0.0.1:{free_port()}") as nobody, opened(mongodb_url, nobody) as bank:
        for call in (bank.payment.Deposit, bank.payment.Withdraw):
            code, details = await refused(call(move("d", 1000)))
            assert (code, details) == (StatusCode.UNAVAILABLE, "the user service does not answer, try again")
        assert {*bank.failures()} == {("d", "ERROR")}
        await bank.payment.Payout(move("w", 10))
        await bank.payment.Charge(move("b", 10))
        assert await bank.entries() == 2


async def test_a_store_that_is_away_is_said_and_not_explained() -> None:
    database = mongo.connect(f"mongodb://127.0.0.1:{free_port()}", "nowhere")
    told: list[Outgoing] = []
    try:
        async with services.payment(Wallets(database), offer=told.append, wait=False) as channel:
            code, details = await refused(PaymentStub(channel).Deposit(move("d", 1000)))
            assert (code, details) == (StatusCode.UNAVAILABLE, "a store does not answer, try again")
            assert not await services.is_ready(channel)
        assert {it.event.payment_failed.reason for it in told} == {PaymentFailed.ERROR}
    finally:
        await database.client.close()
