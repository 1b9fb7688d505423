"""What waits for somebody's decision, as a small collection beside what it is about.

Whether something waits is said by the wallet or the account alone. Here is at least all that does: it is added before
it begins to wait, and removed after it was decided; what a crash leaves too much is found out when it is listed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase

from reelback_common.mongo import Document

UNSURE = timedelta(minutes=1)
"""What was added less long ago may only be about to wait."""


@dataclass(frozen=True, slots=True)
class Row:
    """Something that may wait: its key, and its place in the queue, which is a cursor as well."""

    key: str
    place: str

    @property
    def old(self) -> bool:
        """Whether it is here for so long that it would be seen to wait if it did."""
        since = datetime.fromtimestamp(int(self.place.partition("/")[0]) / 1000, UTC)
        return datetime.now(UTC) - since > UNSURE


class Waiting:
    """The queue. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._rows = database["waiting"]

    async def prepare(self) -> None:
        """Make the index."""
        await self._rows.create_index([("place", ASCENDING)])

    async def add(self, key: str) -> None:
        """Let it wait from now on; a key is that of one decision, and is not used again for another."""
        place = f"{int(datetime.now(UTC).timestamp() * 1000):013d}/{key}"
        await self._rows.update_one({"_id": key}, {"$setOnInsert": {"place": place}}, upsert=True)

    async def remove(self, keys: Iterable[str]) -> None:
        """It does not wait any more; what is not here is no error."""
        await self._rows.delete_many({"_id": {"$in": [*keys]}})

    async def page(self, cursor: str, limit: int) -> list[Row]:
        """Who has waited longest first, after the place `cursor`."""
        documents = self._rows.find({"place": {"$gt": cursor}}).sort("place", ASCENDING).limit(limit)
        return [Row(document["_id"], document["place"]) async for document in documents]


def gone(rows: Iterable[Row], waiting: Mapping[str, object]) -> list[str]:
    """The keys of the rows that are not among what truly waits, and never will be."""
    return [row.key for row in rows if row.key not in waiting and row.old]
