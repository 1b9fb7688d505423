"""What analytics has counted and found, and what goes on."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from google.protobuf.duration_pb2 import Duration
from reelback.v1 import analytics_pb2, payment_pb2, user_pb2

from reelback_gateway.admin.log import newest
from reelback_gateway.admin.models import Alert, Live, Page, Report
from reelback_gateway.admin.staff import Cursor, PageSize, Viewer, people
from reelback_gateway.backend import Backend, BackendOf

router = APIRouter()

LIVE_SECONDS = 300
"""How far back the live figures go."""

LIVE_ROWS = 6


@router.get("/alerts")
async def alerts(member: Viewer, backend: BackendOf, cursor: Cursor = "", limit: PageSize = 50) -> Page[Alert]:
    """What the rules against fraud have raised, the newest first."""
    return await _alerts(backend, cursor, limit)


@router.get("/report")
async def report(
    member: Viewer, backend: BackendOf, hours: Annotated[int, Query(ge=1, le=720, examples=[24])] = 1
) -> Report:
    """What the last hours add up to."""
    found = await backend.analytics.GetReport(_window(hours * 3600))
    return Report.of(found, await people(backend, [each.player_id for each in found.top_players]))


@router.get("/live")
async def live(member: Viewer, backend: BackendOf) -> Live:
    """What goes on now."""
    found, withdrawals, documents, raised, decided = await asyncio.gather(
        backend.analytics.GetReport(_window(LIVE_SECONDS)),
        backend.office.payment.ListWaiting(payment_pb2.ListWaitingRequest(limit=100)),
        backend.office.user.ListKyc(user_pb2.ListKycRequest(limit=100)),
        _alerts(backend, "", LIVE_ROWS),
        newest(backend, "", LIVE_ROWS),
    )
    return Live(
        at=datetime.now(UTC),
        active_players=found.active_sessions,
        rounds=sum(game.rounds for game in found.games),
        bet=sum(game.bet for game in found.games),
        win=sum(game.win for game in found.games),
        payments=found.payments,
        payments_failed=found.payments_failed,
        withdrawals_waiting=len(withdrawals.transfers),
        kyc_waiting=len(documents.players),
        alerts=raised.items,
        decisions=decided.items,
    )


async def _alerts(backend: Backend, cursor: str, limit: int) -> Page[Alert]:
    found = await backend.office.analytics.ListAlerts(analytics_pb2.ListAlertsRequest(cursor=cursor, limit=limit))
    known = await people(backend, [alert.player_id for alert in found.alerts])
    return Page(items=[Alert.of(alert, known) for alert in found.alerts], next=found.next or None)


def _window(seconds: int) -> analytics_pb2.GetReportRequest:
    return analytics_pb2.GetReportRequest(window=Duration(seconds=seconds))
