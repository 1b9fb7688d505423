"""The figures in MongoDB: a document holds what one player did in one minute, and the ids of the events in it.

`bets` holds {_id: player/minute/game, ...the fields of Play}, `payments` {_id: player/minute, ...those of Money} and
`users` {_id: player/minute, ...those of Account}; each with version, ids: [event], player_id, game, minute and last_at.

One update of one document counts an event: a compare-and-swap on the version of a document that does not have its id
adds the figures and the id. So an event is in it wholly or not at all, whenever who counts it is killed, and a copy of
it changes nothing, whoever else counts. What is too old for that is in `before`, which `retention` keeps.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from reelback_common.mongo import Document

from reelback_analytics.remembered import Remembered
from reelback_analytics.tally import KINDS, Money, Play, Sums, Tally, Unreadable

MAX_AGE = timedelta(days=30)
"""Older events are refused: nobody could say any more whether they were counted."""

WITHOUT_IDS = {"ids": False}
ATTEMPTS = 8

OPEN = 2_000
"""How many documents are known well enough to be swapped without reading them first."""

S = TypeVar("S", bound=Sums)


class Contention(Exception):
    """Others count events of this player all the time; nothing was counted, and the same event may be tried again."""


@dataclass(frozen=True, slots=True)
class Counted:
    """An event was counted: now if it is `fresh`, else before. `minute` is all that is in its minute."""

    fresh: bool
    minute: Sums


@dataclass(slots=True)
class _Minute:
    """A document as it was when it was last seen."""

    version: int
    ids: set[str]
    sums: Sums


class Tallies:
    """What was counted. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._open: Remembered[tuple[str, str], _Minute] = Remembered(OPEN)

    async def prepare(self) -> None:
        """Create the indexes."""
        for kind in KINDS:
            documents = self._database[kind.TOPIC]
            await documents.create_index([("minute", ASCENDING)])
            await documents.create_index([("player_id", ASCENDING), ("minute", ASCENDING)])
            # For the swap. MongoDB finds the document by its _id anyway, but its stand-in of the local stack uses an
            # index only for exactly the fields of a query.
            await documents.create_index([("_id", ASCENDING), ("version", ASCENDING)], unique=True)

    async def ping(self) -> None:
        """Return when the store answers."""
        await self._database.command("ping")

    async def count(self, tally: Tally) -> Counted:
        """Count an event once, however often it comes. Raises Unreadable when it is too old, and Contention."""
        if tally.at < datetime.now(UTC) - MAX_AGE:
            raise Unreadable(f"occurred_at: is more than {MAX_AGE.days} days ago")
        topic, key = tally.sums.TOPIC, _key(tally.player_id, tally.minute, tally.game)
        for _ in range(ATTEMPTS):
            # Taken out until it is known how it is now: an answer that is lost leaves that open.
            minute = self._open.pop((topic, key), None) or await self._read(tally, key)
            fresh = tally.event_id not in minute.ids
            if not fresh or await self._swap(tally, key, minute):
                self._open[topic, key] = minute
                return Counted(fresh, minute.sums)
        raise Contention(f"{topic} {key}: it was always changed by others")

    async def _read(self, tally: Tally, key: str) -> _Minute:
        document = await self._database[tally.sums.TOPIC].find_one({"_id": key})
        if document is None:
            return _Minute(0, set(), type(tally.sums)())
        return _Minute(document["version"], set(document["ids"]), tally.sums.of(document))

    async def _swap(self, tally: Tally, key: str, minute: _Minute) -> bool:
        """Add an event to the document and to `minute`; False if the document is not that any more."""
        values = asdict(tally.sums)
        highest = {name: values.pop(name) for name in tally.sums.HIGHEST}
        update = {
            "$setOnInsert": {"player_id": tally.player_id, "game": tally.game, "minute": tally.minute},
            "$push": {"ids": tally.event_id},
            "$inc": {"version": 1, **values},
            "$max": {"last_at": tally.at, **highest},
        }
        try:
            result = await self._database[tally.sums.TOPIC].update_one(
                {"_id": key, "version": minute.version}, update, upsert=minute.version == 0
            )
        except DuplicateKeyError:  # it was thought to be new
            return False
        if result.matched_count == 0 and result.upserted_id is None:
            return False
        minute.version += 1
        minute.ids.add(tally.event_id)
        minute.sums += tally.sums
        return True

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


def _together(kind: type[Sums], by: Sequence[str]) -> Document:
    """The stage that adds documents up. `last_at` is when the last event of a group occurred."""
    sums: Document = {
        field.name: {"$max" if field.name in kind.HIGHEST else "$sum": f"${field.name}"} for field in fields(kind)
    }
    return {"_id": {name: f"${name}" for name in by}, "last_at": {"$max": "$last_at"}, **sums}
