"""Wallets and the ledger in MongoDB: one document update decides each move.

`wallets` holds {_id: player, balance, sequence, pending: [entry]}. A move is a compare-and-swap on `sequence` that
sets the balance and pushes the entry into `pending`, all in one document. Afterwards the entry is copied into the
append-only `ledger` and pulled from `pending`; whatever a crash leaves in between is settled by the next operation
on that wallet, or by the sweep at the start.

A repeated request is looked for in `pending` first and in `ledger` second. An entry leaves `pending` only after it
is in `ledger`, so one that was decided before the wallet was read is always found, and one that is decided later
changes `sequence` and fails the swap: together they are exact without a transaction.
"""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import asdict
from datetime import UTC, datetime

from pymongo import DESCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError
from reelback_common.mongo import Document

from reelback_payment.wallet import Entry, Kind, Move, Wallet, confirm, decide

ATTEMPTS = 16
logger = logging.getLogger(__name__)


class Contention(Exception):
    """Too many moves on one wallet at once; nothing was moved, and the same request may be sent again."""


class Wallets:
    """The wallets of all players. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._wallets = database["wallets"]
        self._ledger = database["ledger"]
        self._prepared = False

    async def ready(self) -> None:
        """Return when the store answers and what a crash left is repaired."""
        if not self._prepared:
            await self._prepare()
            self._prepared = True
        await self._database.command("ping")

    async def _prepare(self) -> None:
        await self._ledger.create_index([("player_id", DESCENDING), ("sequence", DESCENDING)], unique=True)
        async for document in self._wallets.find({"pending": {"$ne": []}}):
            await self._settle(_wallet(document))

    async def move(self, move: Move) -> Entry:
        """Carry out `move` once, however often it is asked for. Raises Insufficient, Conflict or Contention."""
        for attempt in range(ATTEMPTS):
            wallet = await self.wallet(move.player_id)
            if known := await self._find(wallet, move.request_id):
                return confirm(known, move)
            entry = decide(wallet, move, datetime.now(UTC))
            if await self._swap(wallet, entry):
                await self._settle_if_possible(wallet, entry)
                return entry
            await asyncio.sleep(random.uniform(0, min(0.1, 0.002 * 2**attempt)))  # noqa: S311 - jitter
        raise Contention("this wallet is busy, send the same request again")

    async def wallet(self, player_id: str) -> Wallet:
        """The wallet as it is now; an empty one for a player who never had money."""
        document = await self._wallets.find_one({"_id": player_id})
        return _wallet(document) if document else Wallet(player_id)

    async def entry(self, player_id: str, request_id: str) -> Entry | None:
        """What a request has moved; None when it has moved nothing."""
        return await self._find(await self.wallet(player_id), request_id)

    async def entries(self, player_id: str, limit: int) -> list[Entry]:
        """The newest entries first."""
        await self._settle(await self.wallet(player_id))
        cursor = self._ledger.find({"player_id": player_id}).sort("sequence", DESCENDING).limit(limit)
        return [_entry(document) async for document in cursor]

    async def _find(self, wallet: Wallet, request_id: str) -> Entry | None:
        for entry in wallet.pending:
            if entry.request_id == request_id:
                return entry
        document = await self._ledger.find_one({"_id": _key(wallet.player_id, request_id)})
        return _entry(document) if document else None

    async def _swap(self, wallet: Wallet, entry: Entry) -> bool:
        """Whether `entry` came next: false when another move was first."""
        after = {"balance": entry.balance_after, "sequence": entry.sequence}
        if wallet.sequence == 0:
            try:
                await self._wallets.insert_one({"_id": wallet.player_id, **after, "pending": [asdict(entry)]})
            except DuplicateKeyError:
                return False
            return True
        before = await self._wallets.find_one_and_update(
            {"_id": wallet.player_id, "sequence": wallet.sequence, "balance": wallet.balance},
            {"$set": after, "$push": {"pending": asdict(entry)}},
            projection={"_id": True},
        )
        return before is not None

    async def _settle_if_possible(self, wallet: Wallet, entry: Entry) -> None:
        """The move is decided: a store that goes away now must not turn the answer into a failure."""
        try:
            await self._settle(Wallet(wallet.player_id, pending=(*wallet.pending, entry)))
        except PyMongoError:
            logger.warning("an entry stays pending until the wallet's next move", exc_info=True)

    async def _settle(self, wallet: Wallet) -> None:
        """Copy the pending entries into the ledger, then drop them from the wallet."""
        if not wallet.pending:
            return
        for entry in wallet.pending:
            await self._append(entry)
        sequences = [entry.sequence for entry in wallet.pending]
        await self._wallets.update_one(
            {"_id": wallet.player_id}, {"$pull": {"pending": {"sequence": {"$in": sequences}}}}
        )

    async def _append(self, entry: Entry) -> None:
        key = _key(entry.player_id, entry.request_id)
        try:
            await self._ledger.insert_one({"_id": key, **asdict(entry)})
        except DuplicateKeyError:
            # Copied before, by another instance perhaps. Anything else under this key or number is corruption.
            if await self._ledger.find_one({"_id": key, "sequence": entry.sequence}) is None:
                raise


def _key(player_id: str, request_id: str) -> str:
    """Players choose request ids, so each player has a space of their own; identifiers hold no slash."""
    return f"{player_id}/{request_id}"


def _wallet(document: Document) -> Wallet:
    pending = tuple(_entry(entry) for entry in document["pending"])
    return Wallet(document["_id"], document["balance"], document["sequence"], pending)


def _entry(document: Document) -> Entry:
    fields = {name: value for name, value in document.items() if name != "_id"}
    return Entry(**{**fields, "kind": Kind(fields["kind"])})
