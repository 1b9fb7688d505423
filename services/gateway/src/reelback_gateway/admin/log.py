"""The audit log: what each service has written down, as one list."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query
from reelback.v1 import audit_pb2

from reelback_gateway.admin.models import Decision, Page
from reelback_gateway.admin.staff import PageSize, Viewer, people
from reelback_gateway.backend import Backend, BackendOf

if TYPE_CHECKING:  # the stubs' types exist for the type checker only
    from reelback.v1.audit_pb2_grpc import AuditAsyncStub

router = APIRouter()

_CURSOR = r"^(\d{1,15}-\d{1,15})?$"
"""The numbers below which each service's records come next: user's, payment's. 1 is below none."""


@router.get("/decisions")
async def decisions(
    member: Viewer,
    backend: BackendOf,
    cursor: Annotated[str, Query(pattern=_CURSOR)] = "",
    limit: PageSize = 50,
) -> Page[Decision]:
    """What people have decided, the newest first."""
    return await newest(backend, cursor, limit)


async def newest(backend: Backend, cursor: str, limit: int) -> Page[Decision]:
    """A page of the logs of all services, in the order of time."""
    logs = {"user": backend.office.user_audit, "payment": backend.office.payment_audit}
    user, payment = (int(number) for number in cursor.split("-")) if cursor else (0, 0)
    found = await _records(logs, {"user": user, "payment": payment}, limit)
    shown = sorted(found, key=lambda pair: pair[1].at.ToNanoseconds(), reverse=True)[:limit]
    left = {"user": user, "payment": payment}
    for name, record in shown:
        left[name] = record.number
    known = await people(backend, [each for _, record in shown for each in (record.by, record.player_id)])
    more = len(shown) == limit
    return Page(
        items=[Decision.of(record, known) for _, record in shown],
        next=f"{left['user']}-{left['payment']}" if more else None,
    )


async def _records(
    logs: Mapping[str, AuditAsyncStub], before: Mapping[str, int], limit: int
) -> list[tuple[str, audit_pb2.AuditRecord]]:
    requests = {name: audit_pb2.ListDecisionsRequest(before=before[name], limit=limit) for name in logs}
    pages = await asyncio.gather(*(log.ListDecisions(requests[name]) for name, log in logs.items()))
    return [(name, record) for name, page in zip(logs, pages, strict=True) for record in page.records]
