"""The ledger in MongoDB: entries are added, and never changed.

An entry's `_id` is its player and its request; `place` is its player and its number. Each is one field, so that one
command looks many entries up: the stand-in for mongod is fast with full unique keys of one field, and scans otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict

from pymongo import ASCENDING
from pymongo.asynchronous.cursor import AsyncCursor
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError
from reelback_common.mongo import Document

from reelback_payment.wallet import Entry, Kind

DUPLICATE_KEY = 11000

log = logging.getLogger(__name__)


class Ledger:
    """The entries of all players. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._entries = database["ledger"]

    async def prepare(self) -> None:
        """Make the index."""
        # Sparse: entries of earlier releases have no place.
        await self._entries.create_index([("place", ASCENDING)], unique=True, sparse=True)

    async def find(self, player_id: str, request_id: str) -> Entry | None:
        """The entry of a request."""
        document = await self._entries.find_one({"_id": _key(player_id, request_id)})
        return entry(document) if document else None

    async def requests(self, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Entry]:
        """The entries of these requests, each a player and a request id."""
        wanted = {_key(*key): key for key in keys}
        return {wanted[document["_id"]]: entry(document) async for document in self._find_keys(wanted)}

    def _find_keys(self, keys: Iterable[str]) -> AsyncCursor[Document]:
        return self._entries.find({"_id": {"$in": [*keys]}})

    async def at(self, player_id: str, sequences: Sequence[int]) -> list[Entry]:
        """The entries of a player with these numbers, in their order; without those that are not there."""
        places = [_place(player_id, sequence) for sequence in sequences]
        documents = await self._entries.find({"place": {"$in": places}}).to_list()
        # The entries of earlier releases have no place, but another index.
        for missing in {*sequences} - {it["sequence"] for it in documents}:
            documents += await self._entries.find({"player_id": player_id, "sequence": missing}).to_list()
        return sorted(map(entry, documents), key=lambda it: it.sequence)

    async def has(self, player_id: str, sequence: int) -> bool:
        """Whether there is an entry with this number."""
        return await self._entries.find_one({"place": _place(player_id, sequence)}, {"_id": True}) is not None

    async def add(self, entries: Iterable[Entry]) -> list[Entry]:
        """Those of the entries that are in the ledger now, whoever has put them there: all, or something is corrupt.

        What is corrupt is logged and left for `reelback reconcile`.
        """
        documents = {_key(it.player_id, it.request_id): it for it in entries}
        if not documents:
            return []
        try:
            await self._entries.insert_many([_filed(key, it) for key, it in documents.items()], ordered=False)
        except BulkWriteError as error:
            refused = error.details["writeErrors"]
            if any(it["code"] != DUPLICATE_KEY for it in refused):
                raise
            keys = [it["op"]["_id"] for it in refused]
            there = {document["_id"]: document["sequence"] async for document in self._find_keys(keys)}
            for key in keys:
                if there.get(key) != documents[key].sequence:
                    log.error("entry %d of a wallet cannot be added to the ledger", documents.pop(key).sequence)
        return list(documents.values())


def entry(stored: Document) -> Entry:
    """The entry as it was stored, in the ledger or in a wallet."""
    fields = {name: value for name, value in stored.items() if name not in ("_id", "place")}
    return Entry(**{**fields, "kind": Kind(fields["kind"])})


def document(it: Entry) -> Document:
    """The fields of an entry as they are stored; that nobody has decided it is not."""
    stored = asdict(it)
    if not it.decided_by:
        del stored["decided_by"]
    return stored


def _filed(key: str, it: Entry) -> Document:
    return {"_id": key, "place": _place(it.player_id, it.sequence), **document(it)}


def _key(player_id: str, request_id: str) -> str:
    """Players choose request ids, so each player has a space of their own; identifiers hold no slash."""
    return f"{player_id}/{request_id}"


def _place(player_id: str, sequence: int) -> str:
    return f"{player_id}/{sequence}"
