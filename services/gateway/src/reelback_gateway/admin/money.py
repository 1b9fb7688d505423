"""Players' money: looked at, and decided on."""

from __future__ import annotations

import asyncio
from typing import Annotated

import grpc
from fastapi import APIRouter, Query
from reelback.v1 import payment_pb2

from reelback_gateway.admin.models import Account, DecidedEntry, DecidedTransfer, MoneyDecision, Page
from reelback_gateway.admin.staff import Cursor, MoneyDecider, PageSize, PlayerId, Viewer, is_late, late, people
from reelback_gateway.backend import Backend, BackendOf
from reelback_gateway.models import Limits, RequestId, Wallet

router = APIRouter()

_DECISIONS = {
    "settled": payment_pb2.DECISION_SETTLE,
    "rejected": payment_pb2.DECISION_REJECT,
    "reversed": payment_pb2.DECISION_REVERSE,
}


@router.get("/players/{player_id}/account")
async def account(player_id: PlayerId, member: Viewer, backend: BackendOf) -> Account:
    """A player's balance and limits."""
    wallet, limits = await asyncio.gather(
        backend.payment.GetWallet(payment_pb2.GetWalletRequest(player_id=player_id)),
        backend.payment.GetLimits(payment_pb2.GetLimitsRequest(player_id=player_id)),
    )
    return Account(wallet=Wallet.of(wallet), limits=Limits.of(limits))


@router.get("/players/{player_id}/entries")
async def entries(
    player_id: PlayerId,
    member: Viewer,
    backend: BackendOf,
    cursor: Annotated[int, Query(ge=0, lt=2**53)] = 0,
    limit: PageSize = 50,
) -> Page[DecidedEntry]:
    """The newest entries of a player's ledger first."""
    request = payment_pb2.ListEntriesRequest(player_id=player_id, limit=limit, before=cursor)
    found = [entry async for entry in backend.payment.ListEntries(request)]
    deciders = await people(backend, [entry.decided_by for entry in found])
    more = len(found) == limit and found[-1].sequence > 1
    return Page(
        items=[DecidedEntry.seen(entry, deciders) for entry in found], next=str(found[-1].sequence) if more else None
    )


@router.get("/withdrawals")
async def waiting_withdrawals(
    member: Viewer, backend: BackendOf, cursor: Cursor = "", limit: PageSize = 50
) -> Page[DecidedTransfer]:
    """Withdrawals that wait for a decision, the oldest first."""
    request = payment_pb2.ListWaitingRequest(cursor=cursor, limit=limit)
    found = await backend.office.payment.ListWaiting(request)
    known = await people(backend, [transfer.entry.player_id for transfer in found.transfers])
    return Page(items=[DecidedTransfer.seen(it, known) for it in found.transfers], next=found.next or None)


@router.post("/players/{player_id}/transfers/{request_id}/decision")
async def decide_transfer(
    player_id: PlayerId, request_id: RequestId, body: MoneyDecision, member: MoneyDecider, backend: BackendOf
) -> DecidedTransfer:
    """Decide on a withdrawal or a deposit. Deciding the same twice changes nothing; `decided_by` was first."""
    request = payment_pb2.DecideRequest(
        request_id=request_id,
        player_id=player_id,
        decision=_DECISIONS[body.decision],
        session_id=member.session_id,
    )
    try:
        decided = await backend.office.payment.Decide(request)
    except grpc.aio.AioRpcError as error:
        if is_late(error):
            now = await _transfer(player_id, request_id, backend)
            if now.decided_by and now.decided_at:
                late(now.decided_by, now.state, now.decided_at.isoformat())
        raise
    return await _seen(decided, backend)


async def _transfer(player_id: str, request_id: str, backend: Backend) -> DecidedTransfer:
    request = payment_pb2.GetEntryRequest(request_id=request_id, player_id=player_id)
    return await _seen(await backend.payment.GetTransfer(request), backend)


async def _seen(transfer: payment_pb2.Transfer, backend: Backend) -> DecidedTransfer:
    return DecidedTransfer.seen(transfer, await people(backend, [transfer.entry.player_id, transfer.decided_by]))
