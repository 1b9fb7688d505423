"""Payment over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import StatusCode
from reelback.v1 import payment_pb2
from reelback.v1.payment_pb2_grpc import PaymentStub
from reelback_common import faults, mongo
from reelback_payment.store import Wallets

from tests.unit import services
from tests.unit.common.ports import free_port

if TYPE_CHECKING:
    from reelback.v1.payment_pb2_grpc import PaymentAsyncStub


@pytest.fixture
async def payment(mongodb_url: str) -> AsyncIterator[PaymentAsyncStub]:
    async with services.database(mongodb_url) as database, services.payment(Wallets(database)) as channel:
        yield PaymentStub(channel)


@pytest.fixture
def no_faults() -> Iterator[None]:
    yield
    faults.configure({})


def move(request_id: str, amount: int, player_id: str = "p", reference: str = "") -> payment_pb2.MoveRequest:
    return payment_pb2.MoveRequest(request_id=request_id, player_id=player_id, amount=amount, reference=reference)


async def refused(call: Any) -> tuple[StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_money_comes_and_goes(payment: PaymentAsyncStub) -> None:
    deposit = await payment.Deposit(move("d", 1000))
    assert (deposit.kind, deposit.amount, deposit.sequence) == (payment_pb2.ENTRY_KIND_DEPOSIT, 1000, 1)
    bet = await payment.Charge(move("b", 300, reference="round"))
    assert (bet.kind, bet.amount, bet.balance_after, bet.reference) == (payment_pb2.ENTRY_KIND_BET, -300, 700, "round")
    assert (await payment.Payout(move("w", 50))).balance_after == 750
    assert (await payment.Withdraw(move("o", 750))).balance_after == 0
    wallet = await payment.GetWallet(payment_pb2.GetWalletRequest(player_id="p"))
    assert (wallet.balance, wallet.currency) == (0, "EUR")

    newest = [entry async for entry in payment.ListEntries(payment_pb2.ListEntriesRequest(player_id="p", limit=3))]
    assert [entry.request_id for entry in newest] == ["o", "w", "b"]
    assert newest[2] == bet
    assert await payment.GetEntry(payment_pb2.GetEntryRequest(player_id="p", request_id="b")) == bet


async def test_a_request_sent_again_moves_nothing(payment: PaymentAsyncStub) -> None:
    first = await payment.Deposit(move("d", 1000))
    assert await payment.Deposit(move("d", 1000)) == first
    code, details = await refused(payment.Deposit(move("d", 999)))
    assert code is StatusCode.ALREADY_EXISTS
    assert "deposit of 1000" in details
    assert (await refused(payment.Payout(move("d", 1000))))[0] is StatusCode.ALREADY_EXISTS
    assert (await payment.GetWallet(payment_pb2.GetWalletRequest(player_id="p"))).balance == 1000


async def test_what_the_balance_does_not_cover(payment: PaymentAsyncStub) -> None:
    code, details = await refused(payment.Charge(move("b", 1)))
    assert (code, details) == (StatusCode.FAILED_PRECONDITION, "the balance of 0 does not cover 1")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (move("d", 0), "amount"),
        (move("d", -5), "amount"),
        (move("d", 2**62), "amount"),
        (move("", 5), "request_id"),
        (move("d", 5, player_id=""), "player_id"),
        (move("d", 5, reference="no spaces"), "reference"),
    ],
)
async def test_bad_moves_name_the_field(
    payment: PaymentAsyncStub, request_: payment_pb2.MoveRequest, field: str
) -> None:
    code, details = await refused(payment.Deposit(request_))
    assert code is StatusCode.INVALID_ARGUMENT
    assert details.startswith(f"{field}: ")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (payment_pb2.ListEntriesRequest(player_id="p", limit=-1), "limit"),
        (payment_pb2.ListEntriesRequest(player_id="p", limit=501), "limit"),
        (payment_pb2.ListEntriesRequest(), "player_id"),
    ],
)
async def test_bad_lists_name_the_field(
    payment: PaymentAsyncStub, request_: payment_pb2.ListEntriesRequest, field: str
) -> None:
    code, details = await refused(anext(aiter(payment.ListEntries(request_))))
    assert code is StatusCode.INVALID_ARGUMENT
    assert details.startswith(f"{field}: ")


async def test_a_request_that_moved_nothing_is_not_found(payment: PaymentAsyncStub) -> None:
    code, _ = await refused(payment.GetEntry(payment_pb2.GetEntryRequest(player_id="p", request_id="x")))
    assert code is StatusCode.NOT_FOUND


@pytest.mark.usefixtures("no_faults")
async def test_a_charge_that_fails_on_purpose_moves_nothing(payment: PaymentAsyncStub) -> None:
    await payment.Deposit(move("d", 1000))
    faults.configure({"payment.charge.error_rate": 1})
    assert (await refused(payment.Charge(move("b", 10))))[0] is StatusCode.UNKNOWN
    faults.configure({})
    assert (await payment.Charge(move("b", 10))).balance_after == 990


async def test_a_store_that_is_away_is_said_and_not_explained() -> None:
    database = mongo.connect(f"mongodb://127.0.0.1:{free_port()}", "nowhere")
    try:
        async with services.payment(Wallets(database), wait=False) as channel:
            code, details = await refused(PaymentStub(channel).Deposit(move("d", 1000)))
            assert (code, details) == (StatusCode.UNAVAILABLE, "a store does not answer, try again")
            assert not await services.is_ready(channel)
    finally:
        await database.client.close()
