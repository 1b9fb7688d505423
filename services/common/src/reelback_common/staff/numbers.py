"""Documents that are numbered from 1, so that pages of them are looked up instead of searched for.

The stand-in for mongod looks up by a unique key of one field and searches otherwise, and even mongod reads a page in
the middle of many documents faster when it knows their keys.
"""

from __future__ import annotations

from pymongo import ReturnDocument
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase

from reelback_common.mongo import Document


class Numbers:
    """A counter in a service's database. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document], name: str) -> None:
        self._counters = database["counters"]
        self._name = name

    async def prepare(self) -> None:
        """Begin to count, unless that has begun."""
        await self._counters.update_one({"_id": self._name}, {"$setOnInsert": {"last": 0}}, upsert=True)

    async def next(self) -> int:
        """A number that nobody else gets."""
        counter = await self._counters.find_one_and_update(
            {"_id": self._name}, {"$inc": {"last": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        assert counter  # noqa: S101 - it is made where there is none
        return int(counter["last"])

    async def last(self) -> int:
        """The highest that was given out; 0 for none."""
        counter = await self._counters.find_one({"_id": self._name})
        return int(counter["last"]) if counter else 0


async def newest(collection: AsyncCollection[Document], field: str, below: int, limit: int) -> list[Document]:
    """The `limit` documents with the highest numbers under `below`, the highest first. Numbers may be missing."""
    found: list[Document] = []
    while below > 1 and len(found) < limit:
        lowest = max(1, below - limit)
        page = await collection.find({field: {"$in": [*range(lowest, below)]}}).to_list()
        found += sorted(page, key=lambda document: -int(document[field]))
        below = lowest
    return found[:limit]
