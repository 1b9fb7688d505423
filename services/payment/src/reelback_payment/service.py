"""The wallet over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, TypeAlias

import grpc
from grpc import StatusCode
from pymongo.errors import ConnectionFailure
from reelback.v1 import payment_pb2, payment_pb2_grpc
from reelback_common import faults, telemetry
from reelback_common.refusals import refusing

from reelback_payment.store import Contention, Wallets
from reelback_payment.wallet import (
    CURRENCY,
    Conflict,
    Entry,
    Insufficient,
    Invalid,
    Kind,
    Move,
    Unknown,
    check_identifier,
)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

REFUSALS = {
    Invalid: StatusCode.INVALID_ARGUMENT,
    Insufficient: StatusCode.FAILED_PRECONDITION,
    Conflict: StatusCode.ALREADY_EXISTS,
    Contention: StatusCode.ABORTED,
    Unknown: StatusCode.NOT_FOUND,
}
UNAVAILABLE = (ConnectionFailure,)
KINDS = {
    Kind.DEPOSIT: payment_pb2.ENTRY_KIND_DEPOSIT,
    Kind.WITHDRAWAL: payment_pb2.ENTRY_KIND_WITHDRAWAL,
    Kind.BET: payment_pb2.ENTRY_KIND_BET,
    Kind.WIN: payment_pb2.ENTRY_KIND_WIN,
}


class Payment(payment_pb2_grpc.PaymentServicer):
    """reelback.v1.Payment on a store of wallets."""

    def __init__(self, wallets: Wallets) -> None:
        self._wallets = wallets

    async def Deposit(self, request: payment_pb2.MoveRequest, context: Context) -> payment_pb2.Entry:
        """Money comes in from outside."""
        return await self._move(Kind.DEPOSIT, request, context)

    async def Withdraw(self, request: payment_pb2.MoveRequest, context: Context) -> payment_pb2.Entry:
        """Money goes out."""
        return await self._move(Kind.WITHDRAWAL, request, context)

    async def Charge(self, request: payment_pb2.MoveRequest, context: Context) -> payment_pb2.Entry:
        """A bet is taken. The faults act before any money moves, so that the same request may be sent again."""
        await faults.inject("payment.charge.latency_ms")
        await faults.inject("payment.charge.error_rate")
        return await self._move(Kind.BET, request, context)

    async def Payout(self, request: payment_pb2.MoveRequest, context: Context) -> payment_pb2.Entry:
        """A win is paid."""
        return await self._move(Kind.WIN, request, context)

    async def GetWallet(self, request: payment_pb2.GetWalletRequest, context: Context) -> payment_pb2.Wallet:
        """The balance; 0 for a player who never had money."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            check_identifier("player_id", request.player_id)
            wallet = await self._wallets.wallet(request.player_id)
        return payment_pb2.Wallet(player_id=wallet.player_id, balance=wallet.balance, currency=CURRENCY)

    async def GetEntry(self, request: payment_pb2.GetEntryRequest, context: Context) -> payment_pb2.Entry:
        """What a request has moved."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            check_identifier("request_id", request.request_id)
            check_identifier("player_id", request.player_id)
            entry = await self._wallets.entry(request.player_id, request.request_id)
            if entry is None:
                raise Unknown(f"request_id: {request.request_id} has moved no money of this player")
        return _message(entry)

    async def ListEntries(
        self, request: payment_pb2.ListEntriesRequest, context: Context
    ) -> AsyncIterator[payment_pb2.Entry]:
        """The newest entries first."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            check_identifier("player_id", request.player_id)
            if not 0 <= request.limit <= 500:
                raise Invalid(f"limit: must be from 0 to 500, not {request.limit}")
            entries = await self._wallets.entries(request.player_id, request.limit or 50)
        for entry in entries:
            yield _message(entry)

    async def _move(self, kind: Kind, request: payment_pb2.MoveRequest, context: Context) -> payment_pb2.Entry:
        async with refusing(context, REFUSALS, UNAVAILABLE):
            move = Move(request.request_id, request.player_id, kind, request.amount, request.reference)
            telemetry.set_player(move.player_id)
            entry = await self._wallets.move(move)
        return _message(entry)


def _message(entry: Entry) -> payment_pb2.Entry:
    message = payment_pb2.Entry(
        request_id=entry.request_id,
        player_id=entry.player_id,
        kind=KINDS[entry.kind],
        amount=entry.amount,
        balance_after=entry.balance_after,
        sequence=entry.sequence,
        reference=entry.reference,
    )
    message.created_at.FromDatetime(entry.created_at)
    return message
