"""What the tests of payment hold its database against."""

from __future__ import annotations

from pymongo.asynchronous.database import AsyncDatabase
from reelback_common.mongo import Document
from reelback_payment.reconcile import Books, Totals
from reelback_payment.store import Wallets
from reelback_payment.wallet import Entry
from rich.progress import Progress


async def reconciled(database: AsyncDatabase[Document]) -> Totals:
    """What the books say, and that they are in order."""
    totals = await Books(database).reconcile(Progress(disable=True))
    assert totals.differences == {}
    assert totals.money_in - totals.money_out == totals.balances
    return totals


async def entries(database: AsyncDatabase[Document], player_id: str) -> list[Entry]:
    """A player's last 500 entries, oldest first, while the books are in order."""
    await reconciled(database)
    return (await Wallets(database).entries(player_id, 500))[::-1]
