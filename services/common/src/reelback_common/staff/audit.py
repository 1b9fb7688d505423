"""The audit log of a service: who decided what on whom, when, and what came of it.

A decision is written down before it is taken, and its outcome before it is acknowledged, each as a document that is
inserted and never changed: `audit` {_id: number, at, by, action, player_id, request_id} and `audit_outcomes` {_id: the
same number, outcome, detail}. A record without an outcome is of a decision that a crash has interrupted.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

import grpc
from grpc import StatusCode
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConnectionFailure, PyMongoError
from reelback.v1 import audit_pb2, audit_pb2_grpc

from reelback_common.mongo import Document
from reelback_common.refusals import refusing
from reelback_common.staff.numbers import Numbers, newest
from reelback_common.staff.pages import BadPage, checked

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

REFUSALS: dict[type[Exception], StatusCode] = {BadPage: StatusCode.INVALID_ARGUMENT}

DONE, BEFORE = audit_pb2.OUTCOME_DONE, audit_pb2.OUTCOME_BEFORE


@dataclass(frozen=True, slots=True)
class Asked:
    """A decision as it was asked for; `by` and `player_id` are players' ids, `action` has no personal data."""

    by: str
    action: str
    player_id: str
    request_id: str = ""


@dataclass(slots=True)
class Note:
    """What comes of it: DONE, unless who decides says otherwise."""

    outcome: audit_pb2.Outcome = DONE


class AuditLog:
    """The log in a service's database. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._asked = database["audit"]
        self._outcomes = database["audit_outcomes"]
        self._numbers = Numbers(database, "audit")
        self._prepared = False

    async def prepare(self) -> None:
        """Be ready to number records."""
        if not self._prepared:
            await self._numbers.prepare()
            self._prepared = True

    @asynccontextmanager
    async def decision(self, asked: Asked, refusals: Collection[type[Exception]]) -> AsyncIterator[Note]:
        """Write down a decision around the block that takes it; exceptions pass.

        `refusals` are those that say in their text, which goes into the log, why it may not be.
        """
        number = await self._numbers.next()
        await self._asked.insert_one({"_id": number, "at": datetime.now(UTC), **asdict(asked)})
        note = Note()
        try:
            yield note
        except Exception as error:
            refused = isinstance(error, tuple(refusals))
            outcome = audit_pb2.OUTCOME_REFUSED if refused else audit_pb2.OUTCOME_FAILED
            with suppress(PyMongoError):  # the store may be what failed
                await self._end(number, outcome, str(error) if refused else type(error).__name__)
            raise
        await self._end(number, note.outcome, "")

    async def _end(self, number: int, outcome: audit_pb2.Outcome, detail: str) -> None:
        await self._outcomes.insert_one({"_id": number, "outcome": int(outcome), "detail": detail})

    async def page(self, before: int, limit: int) -> list[audit_pb2.AuditRecord]:
        """The newest records first, with numbers below `before`, or all for 0."""
        asked = await newest(self._asked, "_id", before or await self._numbers.last() + 1, limit)
        numbers = [document["_id"] for document in asked]
        ends = {end["_id"]: end async for end in self._outcomes.find({"_id": {"$in": numbers}})}
        return [_record(document, ends.get(document["_id"], {})) for document in asked]


class Audit(audit_pb2_grpc.AuditServicer):
    """reelback.v1.Audit of one service."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    async def ListDecisions(self, request: audit_pb2.ListDecisionsRequest, context: Context) -> audit_pb2.AuditPage:
        """The newest first."""
        async with refusing(context, REFUSALS, (ConnectionFailure,)):
            records = await self._log.page(request.before, checked(request.limit))
        return audit_pb2.AuditPage(records=records)


def _record(asked: Document, end: Document) -> audit_pb2.AuditRecord:
    record = audit_pb2.AuditRecord(
        number=asked["_id"],
        by=asked["by"],
        action=asked["action"],
        player_id=asked["player_id"],
        request_id=asked["request_id"],
        outcome=end.get("outcome", 0),
        detail=end.get("detail", ""),
    )
    record.at.FromDatetime(asked["at"])
    return record
