"""The figures in MongoDB: a document holds what one player did in one minute, and the ids of the events in it.

`bets` holds {_id: player/minute/game, ...the fields of Play}, `payments` {_id: player/minute, ...those of Money} and
`users` {_id: player/minute, ...those of Account}; each with ids: [event], player_id, game, minute and last_at.

One update of one document counts an event: it adds the figures and the id, unless the id is in there. So an event is
in it wholly or not at all, whenever who counts it is killed, and a copy of it changes nothing. What is too old for
that is in `before`, which `retention` keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pymongo import ASCENDING, ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from reelback_common.mongo import Document

from reelback_analytics.tally import KINDS, Money, Play, Sums, Tally, Unreadable

MAX_AGE = timedelta(days=30)
"""Older events are refused: nobody could say any more whether they were counted."""

WITHOUT_IDS = {"ids": False}
ATTEMPTS = 3

S = TypeVar("S", bound=Sums)


@dataclass(frozen=True, slots=True)
class Counted:
    """An event was counted: now if it is `fresh`, else before. `minute` is all that is in its minute."""

    fresh: bool
    minute: Sums


class Tallies:
    """What was counted. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database

    async def prepare(self) -> None:
        """Create the indexes."""
        for kind in KINDS:
            await self._database[kind.TOPIC].create_index([("minute", ASCENDING)])
            await self._database[kind.TOPIC].create_index([("player_id", ASCENDING), ("minute", ASCENDING)])

    async def ping(self) -> None:
        """Return when the store answers."""
        await self._database.command("ping")

    async def count(self, tally: Tally) -> Counted:
        """Count an event once, however often it comes. Raises Unreadable when it is too old."""
        if tally.at < datetime.now(UTC) - MAX_AGE:
            raise Unreadable(f"occurred_at: is more than {MAX_AGE.days} days ago")
        documents = self._database[tally.sums.TOPIC]
        key = _key(tally.player_id, tally.minute, tally.game)
        for _ in range(ATTEMPTS):
            try:
                document = await documents.find_one_and_update(
                    {"_id": key, "ids": {"$ne": tally.event_id}},
                    _addition(tally),
                    projection=WITHOUT_IDS,
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
                fresh = True
            except DuplicateKeyError:
                # The id is in there; or a first event of this minute was counted at this very moment.
                document = await documents.find_one({"_id": key, "ids": tally.event_id}, WITHOUT_IDS)
                fresh = False
            if document:
                return Counted(fresh, tally.sums.of(document))
        raise DuplicateKeyError(f"{key} was always being created by others")

    async def minutes(self, kind: type[S], player_id: str, game: str, minutes: Iterable[int]) -> dict[int, S]:
        """What a player did in each of these minutes; those without anything are left out."""
        keys = [_key(player_id, minute, game) for minute in minutes]
        found = self._database[kind.TOPIC].find({"_id": {"$in": keys}}, WITHOUT_IDS)
        return {document["minute"]: kind.of(document) async for document in found}

    async def groups(self, kind: type[S], by: Sequence[str], match: Document) -> list[tuple[Document, S, datetime]]:
        """The sums of the documents that match, grouped by some of their fields, and the last event of each group."""
        pipeline: list[Document] = [{"$match": match}, {"$project": WITHOUT_IDS}, {"$group": _together(kind, by)}]
        rows = await self._database[kind.TOPIC].aggregate(pipeline)
        return [(row["_id"], kind.of(row), row["last_at"]) async for row in rows]

    async def players(self, first: int) -> list[str]:
        """Those of whom bets or payments were counted from the minute `first` on."""
        found: set[str] = set()
        for kind in (Play, Money):
            found.update(await self._database[kind.TOPIC].distinct("player_id", {"minute": {"$gte": first}}))
        return sorted(found)


def _key(player_id: str, minute: int, game: str) -> str:
    """Neither players' identifiers nor games' names hold a slash."""
    return f"{player_id}/{minute}/{game}" if game else f"{player_id}/{minute}"


def _addition(tally: Tally) -> Document:
    """The update that adds an event."""
    values = asdict(tally.sums)
    highest = {name: values.pop(name) for name in tally.sums.HIGHEST}
    return {
        "$setOnInsert": {"player_id": tally.player_id, "game": tally.game, "minute": tally.minute},
        "$push": {"ids": tally.event_id},
        "$inc": values,
        "$max": {"last_at": tally.at, **highest},
    }


def _together(kind: type[Sums], by: Sequence[str]) -> Document:
    """The stage that adds documents up. `last_at` is when the last event of a group occurred."""
    sums: Document = {
        field.name: {"$max" if field.name in kind.HIGHEST else "$sum": f"${field.name}"} for field in fields(kind)
    }
    return {"_id": {name: f"${name}" for name in by}, "last_at": {"$max": "$last_at"}, **sums}
