"""The documents of payment as the outbox of its events: entries that wallets still hold, and refusals.

An entry is published before it leaves its wallet, and is in the ledger before it does, so nothing is lost wherever a
server dies in between; what was published twice, consumers drop.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from pymongo import ASCENDING, UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from reelback_common.events import Outgoing
from reelback_common.mongo import Document

from reelback_payment.ledger import Ledger
from reelback_payment.messages import entry_of, money_moved, payment_failed
from reelback_payment.store import read


class PaymentOutbox:
    """An Outbox for the relay. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._wallets = database["wallets"]
        self._ledger = Ledger(database)
        self._failures = database["failures"]

    async def unpublished(self, limit: int) -> Sequence[Outgoing]:
        """Wallet by wallet, each in the order of its entries; then refusals."""
        any_waiting = {"$or": [{"unpublished": {"$gt": 0}}, {"pending.sequence": {"$gt": 0}}]}
        found: list[Outgoing] = []
        async for document in self._wallets.find(any_waiting).limit(limit):
            wallet = read(document)
            numbers = sorted(document.get("unpublished", []))[: limit - len(found)]
            waiting = (*await self._ledger.at(wallet.player_id, numbers), *wallet.pending)
            found += map(money_moved, waiting[: limit - len(found)])
            if len(found) == limit:
                return found
        failures = self._failures.find().sort("at", ASCENDING).limit(limit - len(found))
        return [*found, *[payment_failed(document) async for document in failures]]

    async def published(self, sent: Sequence[Outgoing]) -> None:
        """Add the entries to the ledger, and let go of them: three writes at most, however many they are."""
        entries = [entry_of(it.event.money_moved.entry) for it in sent if it.event.HasField("money_moved")]
        numbers = defaultdict[str, list[int]](list)
        for entry in await self._ledger.add(entries):
            numbers[entry.player_id].append(entry.sequence)
        if numbers:
            await self._wallets.bulk_write(
                [
                    UpdateOne(
                        {"_id": player_id},
                        {"$pull": {"pending": {"sequence": {"$in": done}}, "unpublished": {"$in": done}}},
                    )
                    for player_id, done in numbers.items()
                ],
                ordered=False,
            )
        if failed := [it.event.event_id for it in sent if it.event.HasField("payment_failed")]:
            await self._failures.delete_many({"_id": {"$in": failed}})
