"""Alerts in MongoDB. The document of an alert is its outbox: {_id: rule/player/day, place, ..., published}."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from reelback.v1 import events_pb2
from reelback_common.events import Outgoing
from reelback_common.mongo import Document
from reelback_telemetry.messaging import trace_headers

from reelback_analytics.remembered import Remembered
from reelback_analytics.rules import Finding

RETENTION = timedelta(days=90)

REMEMBERED = 5_000
"""How many alerts are known without asking: whoever breaks a rule does it again with the next event."""


class Alerts:
    """What was raised; an Outbox. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._alerts = database["alerts"]
        self._raised: Remembered[str, None] = Remembered(REMEMBERED)

    async def prepare(self) -> None:
        """Create the indexes, of which one forgets what is old."""
        await self._alerts.create_index([("occurred_at", ASCENDING)], expireAfterSeconds=int(RETENTION.total_seconds()))
        await self._alerts.create_index([("published", ASCENDING), ("occurred_at", ASCENDING)])
        await self._alerts.create_index([("place", ASCENDING)])
        async for document in self._alerts.find({"place": {"$exists": False}}):  # from before they were listed
            place = _place(document["occurred_at"], document["_id"])
            await self._alerts.update_one({"_id": document["_id"]}, {"$set": {"place": place}})

    async def add(self, finding: Finding, player_id: str, at: datetime) -> Outgoing | None:
        """The alert as it is to be published; None when there is one of this rule, player and day."""
        key = f"{finding.rule}/{player_id}/{at:%Y-%m-%d}"
        if key in self._raised:
            return None
        # As the store keeps it, so that every copy of the event is the same.
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        document = {
            "_id": key,
            "place": _place(at, key),
            "player_id": player_id,
            "rule": finding.rule,
            "severity": int(finding.severity),
            "detail": finding.detail,
            "occurred_at": at,
            "headers": trace_headers(),
            "published": False,
        }
        alert: Outgoing | None = _outgoing(document)
        try:
            await self._alerts.insert_one(document)
        except DuplicateKeyError:
            alert = None
        self._raised[key] = None
        return alert

    async def page(self, cursor: str, limit: int) -> tuple[list[events_pb2.Event], str]:
        """The newest alerts first, from the place `cursor` on, as events; and where the next page begins."""
        older = {"place": {"$lt": cursor}} if cursor else {}
        documents = await self._alerts.find(older).sort("place", DESCENDING).limit(limit).to_list()
        following = documents[-1]["place"] if len(documents) == limit else ""
        return [_outgoing(document).event for document in documents], following

    async def unpublished(self, limit: int) -> Sequence[Outgoing]:
        """Those that are not marked yet, the oldest first."""
        cursor = self._alerts.find({"published": False}).sort("occurred_at", ASCENDING).limit(limit)
        return [_outgoing(document) async for document in cursor]

    async def published(self, sent: Sequence[Outgoing]) -> None:
        """Mark these."""
        ids = [outgoing.event.event_id for outgoing in sent]
        await self._alerts.update_many({"_id": {"$in": ids}}, {"$set": {"published": True}})


def _place(at: datetime, key: str) -> str:
    """By this one field alerts are in the order of time, none twice: the cursor of a page."""
    return f"{int(at.timestamp() * 1000):013d}/{key}"


def _outgoing(document: Document) -> Outgoing:
    event = events_pb2.Event(
        event_id=document["_id"],
        player_id=document["player_id"],
        alert_raised=events_pb2.AlertRaised(
            rule=document["rule"], severity=document["severity"], detail=document["detail"]
        ),
    )
    event.occurred_at.FromDatetime(document["occurred_at"])
    return Outgoing("alerts", event, document["headers"])
