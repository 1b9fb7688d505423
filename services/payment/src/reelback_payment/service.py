"""The wallet over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeAlias

import grpc
import sentry_sdk
from grpc import StatusCode
from pymongo.errors import ConnectionFailure
from reelback.v1 import payment_pb2, payment_pb2_grpc
from reelback_common import faults
from reelback_common.refusals import refusing
from reelback_common.staff import audit, pages
from reelback_telemetry import business
from reelback_telemetry.context import set_player
from reelback_telemetry.operations import tag_business_operation

from reelback_payment import limits
from reelback_payment.failures import Failures
from reelback_payment.limits import BadLimits, Held, LimitExceeded, Limits
from reelback_payment.messages import entry_message
from reelback_payment.players import NotVerified, Players, UserAway
from reelback_payment.staff import NotAllowed, SignedOut, Staff
from reelback_payment.store import Contention, Wallets
from reelback_payment.transfers import State, Transfer, WrongState, decision
from reelback_payment.wallet import (
    CURRENCY,
    Conflict,
    Insufficient,
    Invalid,
    Kind,
    Move,
    Unknown,
    asked,
    check_identifier,
)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Check: TypeAlias = Callable[[Move], Awaitable[None]]

REFUSALS = {
    Invalid: StatusCode.INVALID_ARGUMENT,
    BadLimits: StatusCode.INVALID_ARGUMENT,
    Insufficient: StatusCode.FAILED_PRECONDITION,
    LimitExceeded: StatusCode.FAILED_PRECONDITION,
    NotVerified: StatusCode.FAILED_PRECONDITION,
    WrongState: StatusCode.FAILED_PRECONDITION,
    Conflict: StatusCode.ALREADY_EXISTS,
    Contention: StatusCode.ABORTED,
    Unknown: StatusCode.NOT_FOUND,
    UserAway: StatusCode.UNAVAILABLE,
    SignedOut: StatusCode.UNAUTHENTICATED,
    NotAllowed: StatusCode.PERMISSION_DENIED,
    pages.BadPage: StatusCode.INVALID_ARGUMENT,
}
UNAVAILABLE = (ConnectionFailure,)
FIRST_GAME = {(Kind.DEPOSIT, 1): "deposited", (Kind.BET, 2): "played"}
"""Steps of a funnel that begins with the registration: what the first entries of a wallet are. Who deposits twice
before playing is not counted as having played: only a search of the ledger could tell."""
STATES = {
    State.PENDING: payment_pb2.TRANSFER_STATE_PENDING,
    State.SETTLED: payment_pb2.TRANSFER_STATE_SETTLED,
    State.REJECTED: payment_pb2.TRANSFER_STATE_REJECTED,
    State.REVERSED: payment_pb2.TRANSFER_STATE_REVERSED,
}
DECISIONS = {
    payment_pb2.DECISION_SETTLE: State.SETTLED,
    payment_pb2.DECISION_REJECT: State.REJECTED,
    payment_pb2.DECISION_REVERSE: State.REVERSED,
}


class Payment(payment_pb2_grpc.PaymentServicer):
    """reelback.v1.Payment on a store of wallets."""

    def __init__(
        self, wallets: Wallets, players: Players, failures: Failures, staff: Staff, log: audit.AuditLog
    ) -> None:
        self._wallets = wallets
        self._players = players
        self._failures = failures
        self._staff = staff
        self._log = log

    @tag_business_operation("deposit")
    async def Deposit(self, request: payment_pb2.MoveRequest, context: Context) -> payment_pb2.Entry:
        """Money comes in from outside."""
        return await self._move(Kind.DEPOSIT, request, context, self._check_deposit)

    @tag_business_operation("withdrawal")
    async def Withdraw(self, request: payment_pb2.MoveRequest, context: Context) -> payment_pb2.Entry:
        """Money goes out."""
        return await self._move(Kind.WITHDRAWAL, request, context, self._check_withdrawal)

    @tag_business_operation("charge")
    async def Charge(self, request: payment_pb2.MoveRequest, context: Context) -> payment_pb2.Entry:
        """A bet is taken."""
        return await self._move(Kind.BET, request, context, _fail_on_purpose)

    @tag_business_operation("payout")
    async def Payout(self, request: payment_pb2.MoveRequest, context: Context) -> payment_pb2.Entry:
        """A win is paid."""
        return await self._move(Kind.WIN, request, context)

    async def Decide(self, request: payment_pb2.DecideRequest, context: Context) -> payment_pb2.Transfer:
        """What becomes of a deposit or a withdrawal."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            if request.decision not in DECISIONS:
                raise Invalid("decision: must be settle, reject or reverse")
            transfer = await self._transfer(request.player_id, request.request_id)
            by = await self._staff.who(request.session_id, request.player_id)
            action = f"{transfer.entry.kind} {DECISIONS[request.decision]}"
            asked = audit.Asked(by, action, request.player_id, request.request_id)
            async with self._log.decision(asked, REFUSALS) as note:
                transfer = await self._decide(transfer, DECISIONS[request.decision], by, note)
        return _transfer_message(transfer)

    async def _decide(self, transfer: Transfer, wanted: State, by: str, note: audit.Note) -> Transfer:
        player_id, request_id = transfer.entry.player_id, transfer.entry.request_id
        note.outcome = audit.BEFORE
        while move := decision(transfer, wanted, by):
            with suppress(Conflict):  # somebody has just decided something else: this is no longer allowed
                if (await self._wallets.move(move)).decided_by == by:
                    note.outcome = audit.DONE
            transfer = await self._transfer(player_id, request_id)
        return transfer

    async def ListWaiting(self, request: payment_pb2.ListWaitingRequest, context: Context) -> payment_pb2.Transfers:
        """The withdrawals that wait for a decision."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            found, following = await self._wallets.waiting(request.cursor, pages.checked(request.limit))
        return payment_pb2.Transfers(transfers=map(_transfer_message, found), next=following)

    async def GetTransfer(self, request: payment_pb2.GetEntryRequest, context: Context) -> payment_pb2.Transfer:
        """How far a deposit or a withdrawal has come."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            return _transfer_message(await self._transfer(request.player_id, request.request_id))

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
        return entry_message(entry)

    async def ListEntries(
        self, request: payment_pb2.ListEntriesRequest, context: Context
    ) -> AsyncIterator[payment_pb2.Entry]:
        """The newest entries first."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            check_identifier("player_id", request.player_id)
            if not 0 <= request.limit <= 500:
                raise Invalid(f"limit: must be from 0 to 500, not {request.limit}")
            if request.before < 0:
                raise Invalid(f"before: must be 0 or a number of an entry, not {request.before}")
            entries = await self._wallets.entries(request.player_id, request.limit or 50, request.before)
        for entry in entries:
            yield entry_message(entry)

    async def GetLimits(self, request: payment_pb2.GetLimitsRequest, context: Context) -> payment_pb2.Limits:
        """What a player may deposit and bet."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            check_identifier("player_id", request.player_id)
            held = await self._wallets.limits(request.player_id)
        return _limits_message(request.player_id, held)

    async def SetLimits(self, request: payment_pb2.Limits, context: Context) -> payment_pb2.Limits:
        """Lower ones from the next move on, higher ones later."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            check_identifier("player_id", request.player_id)
            wanted = limits.check(Limits(request.deposit_per_day, request.bet))
            held = await self._wallets.set_limits(request.player_id, wanted, datetime.now(UTC))
        return _limits_message(request.player_id, held)

    async def _move(
        self, kind: Kind, request: payment_pb2.MoveRequest, context: Context, check: Check | None = None
    ) -> payment_pb2.Entry:
        """Move money once `check` has raised nothing."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            move = asked(request.request_id, request.player_id, kind, request.amount, request.reference)
            set_player(move.player_id)
            sentry_sdk.add_breadcrumb(category="payment", message=f"{kind}: asked for")
            async with self._failures.recorded(move):
                if check:
                    await check(move)
                entry = await self._wallets.move(move)
            sentry_sdk.add_breadcrumb(category="payment", message=f"{kind}: moved")
            if step := FIRST_GAME.get((kind, entry.sequence)):
                business.track_conversion_funnel("first game", step)
        return entry_message(entry)

    async def _check_deposit(self, move: Move) -> None:
        if not await self._moved(move):
            await self._players.check_known(move.player_id)

    async def _check_withdrawal(self, move: Move) -> None:
        if not await self._moved(move):
            await self._players.check_verified(move.player_id)

    async def _moved(self, move: Move) -> bool:
        """A request sent again is answered as the first time, whatever user says by now."""
        return await self._wallets.entry(move.player_id, move.request_id) is not None

    async def _transfer(self, player_id: str, request_id: str) -> Transfer:
        check_identifier("request_id", request_id)
        check_identifier("player_id", player_id)
        return await self._wallets.transfer(player_id, request_id)


async def _fail_on_purpose(_: Move) -> None:
    """The faults of a charge; no money has moved yet, so that the same request may be sent again."""
    await faults.inject("payment.charge.latency_ms")
    await faults.inject("payment.charge.error_rate")


def _limits_message(player_id: str, held: Held) -> payment_pb2.Limits:
    now = datetime.now(UTC)
    holds = held.now(now)
    message = payment_pb2.Limits(player_id=player_id, deposit_per_day=holds.deposit_per_day, bet=holds.bet)
    if held.raised and now < held.raised.at:
        message.raised.deposit_per_day = held.raised.limits.deposit_per_day
        message.raised.bet = held.raised.limits.bet
        message.raised.holds_from.FromDatetime(held.raised.at)
    return message


def _transfer_message(transfer: Transfer) -> payment_pb2.Transfer:
    message = payment_pb2.Transfer(entry=entry_message(transfer.entry), state=STATES[transfer.state])
    if transfer.decision:
        message.decided_by = transfer.decision.decided_by
        message.decided_at.FromDatetime(transfer.decision.created_at)
    return message
