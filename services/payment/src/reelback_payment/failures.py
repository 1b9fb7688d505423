"""Payments that moved nothing: each a document until its event is published, as far as the store can take it."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pymongo
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from reelback.v1.events_pb2 import PaymentFailed
from reelback_common.events import Outgoing
from reelback_common.mongo import Document
from reelback_telemetry.messaging import trace_headers

from reelback_payment.limits import LimitExceeded
from reelback_payment.messages import payment_failed
from reelback_payment.players import NotVerified
from reelback_payment.wallet import Conflict, Insufficient, Move, Unknown

DECLINED = (Insufficient, LimitExceeded, NotVerified)
MISTAKES = (Conflict, Unknown)
"""The caller's: no payment that could have succeeded."""

RECORD_SECONDS = 0.5
"""How long an answer waits for its failure to be recorded."""

log = logging.getLogger(__name__)


class Failures:
    """Where failed payments are recorded."""

    def __init__(self, database: AsyncDatabase[Document], offer: Callable[[Outgoing], None]) -> None:
        """`offer` is told of every failure's event."""
        self._failures = database["failures"]
        self._offer = offer

    @asynccontextmanager
    async def recorded(self, move: Move) -> AsyncIterator[None]:
        """Tell of `move` when this block raises, and record it unless the store is what fails; the exception passes."""
        try:
            yield
        except MISTAKES:
            raise
        except DECLINED:
            await self._tell(_failure(move, PaymentFailed.DECLINED), record=True)
            raise
        except Exception as error:
            store_is_away = isinstance(error, PyMongoError)
            await self._tell(_failure(move, PaymentFailed.ERROR), record=not store_is_away)
            raise

    async def _tell(self, failure: Document, record: bool) -> None:
        if record:
            try:
                with pymongo.timeout(RECORD_SECONDS):
                    await self._failures.insert_one(failure)
            except PyMongoError as error:
                log.warning("a failed payment is not recorded: %s", type(error).__name__)
        self._offer(payment_failed(failure))


def _failure(move: Move, reason: PaymentFailed.Reason) -> Document:
    now = datetime.now(UTC)
    return {
        "_id": secrets.token_hex(12),
        "player_id": move.player_id,
        "request_id": move.request_id,
        "kind": move.kind,
        "amount": move.amount,
        "reason": reason,
        "at": now.replace(microsecond=now.microsecond // 1000 * 1000),
        "trace": trace_headers(),
    }
