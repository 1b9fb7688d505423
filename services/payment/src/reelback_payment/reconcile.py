"""`python -m reelback_payment.reconcile`: works every wallet out anew from its entries.

Players may play meanwhile: a wallet is read before its entries are, so all up to its number must be there, and what is
decided later has higher numbers. A wallet that differs is read once more before it is named.

Exit status 0 when all is well, 1 when a wallet differs, 2 when the store does not answer.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from operator import attrgetter

from pydantic_settings import BaseSettings, SettingsConfigDict
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import PyMongoError
from reelback_common import mongo, settings
from reelback_common.mongo import Document
from rich.console import Console
from rich.progress import Progress

from reelback_payment.audit import Audit
from reelback_payment.ledger import Ledger
from reelback_payment.store import read
from reelback_payment.wallet import Wallet

WALLETS, ENTRIES = 100, 200
"""How many are read at once."""

CLEAN, DIFFERENT, NO_ANSWER = 0, 1, 2


class Settings(BaseSettings):
    """The variables of this command."""

    model_config = SettingsConfigDict(env_ignore_empty=True)

    mongodb_url: str


@dataclass(slots=True)
class Totals:
    """What was counted; amounts in minor units. `differences` are lines by player."""

    wallets: int = 0
    entries: int = 0
    money_in: int = 0
    money_out: int = 0
    balances: int = 0
    differences: dict[str, list[str]] = field(default_factory=dict)

    def count(self, wallet: Wallet, audit: Audit) -> None:
        """Add one wallet's."""
        self.wallets += 1
        self.entries += audit.entries
        self.money_in += audit.money_in
        self.money_out += audit.money_out
        self.balances += wallet.balance
        if audit.differences:
            self.differences[wallet.player_id] = audit.differences


class Books:
    """Wallets and ledger, to be read. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._wallets = database["wallets"]
        self._ledger = Ledger(database)

    async def reconcile(self, progress: Progress) -> Totals:
        """Every wallet, held against its entries."""
        totals = Totals()
        task = progress.add_task("wallets", total=await self._wallets.estimated_document_count())
        async for wallet in self._all():
            audit = await self._audit(wallet)
            if audit.differences and (again := await self._wallets.find_one({"_id": wallet.player_id})):
                wallet = read(again)  # noqa: PLW2901
                audit = await self._audit(wallet)
            totals.count(wallet, audit)
            progress.advance(task)
        return totals

    async def _all(self) -> AsyncIterator[Wallet]:
        ids: list[str] = [document["_id"] async for document in self._wallets.find({}, {"_id": True})]
        for start in range(0, len(ids), WALLETS):
            async for document in self._wallets.find({"_id": {"$in": ids[start : start + WALLETS]}}):
                yield read(document)

    async def _audit(self, wallet: Wallet) -> Audit:
        audit = Audit()
        last = max([wallet.sequence, *(entry.sequence for entry in wallet.pending)])
        for first in range(1, last + 1, ENTRIES):
            numbers = range(first, min(first + ENTRIES, last + 1))
            pending = [entry for entry in wallet.pending if entry.sequence in numbers]
            filed = {*numbers} - {entry.sequence for entry in pending}
            for entry in sorted(
                [*await self._ledger.at(wallet.player_id, sorted(filed)), *pending], key=attrgetter("sequence")
            ):
                audit.add(entry)
        audit.close(wallet)
        if await self._ledger.has(wallet.player_id, wallet.sequence + 1) and not await self._grown(wallet):
            audit.differences.append(f"entry {wallet.sequence + 1}: expected none, found one in the ledger")
        return audit

    async def _grown(self, wallet: Wallet) -> bool:
        """Whether there have been moves since the wallet was read."""
        return await self._wallets.find_one({"_id": wallet.player_id, "sequence": {"$gt": wallet.sequence}}) is not None


async def reconcile(mongodb_url: str) -> int:
    """Print what was counted and what differs; the exit status."""
    database = mongo.connect(mongodb_url, "payment")
    try:
        with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
            totals = await Books(database).reconcile(progress)
    except PyMongoError as error:
        print(f"the document store does not answer: {type(error).__name__}", file=sys.stderr)
        return NO_ANSWER
    finally:
        await database.client.close()
    for name in ("wallets", "entries", "money_in", "money_out", "balances"):
        print(f"{name.replace('_', ' '):<9} {getattr(totals, name):>20,}")
    for player_id, lines in totals.differences.items():
        for line in lines:
            print(f"{player_id}: {line}")
    if count := len(totals.differences):
        print("1 account differs" if count == 1 else f"{count} accounts differ")
        return DIFFERENT
    print("every balance is what its entries say")
    return CLEAN


if __name__ == "__main__":
    raise SystemExit(asyncio.run(reconcile(settings.load(Settings).mongodb_url)))
