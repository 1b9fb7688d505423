"""Wallets in MongoDB: one update of one document decides each move.

`wallets` holds {_id: player, balance, sequence, deposits, limits, raised, pending: [entry], unpublished: [sequence]}. A
move is a compare-and-swap on what was read (sequence, balance, limits) that also puts its entries into `pending`. That
is all a caller waits for. Pending entries are the outbox: they become events, are added to the ledger, many at a time,
and leave the wallet (outbox.py). If they do not leave, because a server died or the broker is away, the wallet's next
move adds them to the ledger, and only their numbers stay in the wallet, in `unpublished`.

A repeated request is looked for in `pending` first and in the ledger second. An entry leaves `pending` only after it
is in the ledger, so one that was decided before the wallet was read is always found, and one that is decided later
changes `sequence` and fails the swap: together they are exact without a transaction.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from reelback_common.events import Outgoing
from reelback_common.mongo import Document
from reelback_common.staff.waiting import Waiting, gone
from reelback_telemetry.context import describe
from reelback_telemetry.messaging import trace_headers

from reelback_payment.ledger import Ledger, entry
from reelback_payment.ledger import document as filed
from reelback_payment.limits import DEFAULT, NEVER, UNSET, Day, Held, Limits, Raise, wish
from reelback_payment.messages import money_moved
from reelback_payment.transfers import State, Transfer
from reelback_payment.wallet import Change, Entry, Kind, Move, Unknown, Wallet, confirm, decide, decision_id

ATTEMPTS = 16
PATIENCE = timedelta(seconds=1)
"""Far longer than publishing takes: entries that are pending for longer are added to the ledger by the next move."""


class Contention(Exception):
    """Too many moves on one wallet at once; nothing was moved, and the same request may be sent again."""


class Wallets:
    """The wallets of all players. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document], offer: Callable[[Outgoing], None] = lambda _: None) -> None:
        """`offer` is told of every entry's event; without it, the events wait for a sweep of the outbox."""
        self.database = database
        self._wallets = database["wallets"]
        self._ledger = Ledger(database)
        self._waiting = Waiting(database)
        self._offer = offer
        self._prepared = False

    async def ready(self) -> None:
        """Return when the store answers and has its indexes."""
        if not self._prepared:
            await self._ledger.prepare()
            await self._waiting.prepare()
            for waiting in ("pending.sequence", "unpublished"):
                await self._wallets.create_index(waiting, sparse=True)
            self._prepared = True
        await self.database.command("ping")

    async def move(self, move: Move) -> Entry:
        """Carry out `move` once, however often it is asked for.

        Raises Insufficient, LimitExceeded, Conflict or Contention.
        """
        trace = trace_headers()
        for attempt in range(ATTEMPTS):
            wallet = await self.wallet(move.player_id)
            describe(balance=wallet.balance)
            if known := await self._find(wallet, move.request_id):
                return confirm(known, move)
            change = decide(wallet, move, datetime.now(UTC), trace)
            if change.waits:
                await self._waiting.add(f"{move.player_id}/{move.request_id}")
            if await self._swap(wallet, change):
                if move.decided_by:
                    await self._waiting.remove([f"{move.player_id}/{move.reference}"])
                for added in change.entries:
                    self._offer(money_moved(added))
                return change.entries[0]
            await asyncio.sleep(random.uniform(0, min(0.1, 0.002 * 2**attempt)))  # noqa: S311 - jitter
        raise Contention("this wallet is busy, send the same request again")

    async def wallet(self, player_id: str) -> Wallet:
        """The wallet as it is now; an empty one for a player who never had money."""
        document = await self._wallets.find_one({"_id": player_id}, {"unpublished": False})
        return read(document) if document else Wallet(player_id)

    async def entry(self, player_id: str, request_id: str) -> Entry | None:
        """What a request has moved; None when it has moved nothing."""
        return await self._find(await self.wallet(player_id), request_id)

    async def entries(self, player_id: str, limit: int, before: int = 0) -> list[Entry]:
        """The newest entries first; with `before` only those with a lower number."""
        wallet = await self.wallet(player_id)
        last = min(wallet.sequence, before - 1) if before else wallet.sequence
        numbers = range(last, max(0, last - limit), -1)
        pending = [it for it in wallet.pending if it.sequence in numbers]
        filed = await self._ledger.at(player_id, sorted({*numbers} - {it.sequence for it in pending}))
        return [*reversed([*filed, *pending])]

    async def transfer(self, player_id: str, request_id: str) -> Transfer:
        """A deposit or a withdrawal, and the decision on it. Raises Unknown."""
        wallet = await self.wallet(player_id)
        moved = await self._find(wallet, request_id)
        if moved is None or moved.kind not in (Kind.DEPOSIT, Kind.WITHDRAWAL):
            raise Unknown(f"request_id: {request_id} is no deposit and no withdrawal of this player")
        return Transfer(moved, await self._find(wallet, decision_id(request_id)))

    async def waiting(self, cursor: str, limit: int) -> tuple[list[Transfer], str]:
        """The withdrawals that wait, the oldest first, from the place `cursor` on; and where the next page begins."""
        rows = await self._waiting.page(cursor, limit)
        transfers = await self._transfers([(row.key.partition("/")[0], row.key.partition("/")[2]) for row in rows])
        pending = {key: it for key, it in transfers.items() if it.state is State.PENDING}
        await self._waiting.remove(gone(rows, pending))
        return [pending[row.key] for row in rows if row.key in pending], rows[-1].place if len(rows) == limit else ""

    async def _transfers(self, requests: Iterable[tuple[str, str]]) -> dict[str, Transfer]:
        """Those of these transfers that there are, by player/request: two commands, however many they are."""
        wanted = {key for player, request in requests for key in ((player, request), (player, decision_id(request)))}
        players = [*{player for player, _ in wanted}]
        found: dict[tuple[str, str], Entry] = {}
        # Wallets first: what has left one since is in the ledger.
        async for document in self._wallets.find({"_id": {"$in": players}}, {"unpublished": False}):
            found |= {(it.player_id, it.request_id): it for it in read(document).pending}
        found |= await self._ledger.requests(wanted - found.keys())
        return {
            f"{player}/{request}": Transfer(found[player, request], found.get((player, decision_id(request))))
            for player, request in wanted
            if (player, request) in found and "/" not in request
        }

    async def limits(self, player_id: str) -> Held:
        """Those of a player."""
        return (await self.wallet(player_id)).limits

    async def set_limits(self, player_id: str, wanted: Limits, now: datetime) -> Held:
        """Every move that is decided from now on keeps to what is lower in them. Raises Contention."""
        fresh = {"balance": 0, "sequence": 0, "pending": []}
        for _ in range(ATTEMPTS):
            wallet = await self.wallet(player_id)
            held = wish(wallet.limits, wanted, now)
            before = {"_id": player_id, **_limits(wallet.limits)}
            try:
                done = await self._wallets.update_one(
                    before, {"$set": _limits(held), "$setOnInsert": fresh}, upsert=wallet.limits == UNSET
                )
            except DuplicateKeyError:  # somebody else has set some meanwhile
                continue
            if done.matched_count or done.upserted_id is not None:
                return held
        raise Contention("these limits are being changed, send the same request again")

    async def _find(self, wallet: Wallet, request_id: str) -> Entry | None:
        for pending in wallet.pending:
            if pending.request_id == request_id:
                return pending
        return await self._ledger.find(wallet.player_id, request_id)

    async def _swap(self, wallet: Wallet, change: Change) -> bool:
        """Whether `change` came next: false when another was first."""
        before = {
            "_id": wallet.player_id,
            "sequence": wallet.sequence,
            "balance": wallet.balance,
            **_limits(wallet.limits),
        }
        last = change.entries[-1]
        after = {"balance": last.balance_after, "sequence": last.sequence, "deposits": asdict(change.deposits)}
        if wallet.pending and last.created_at - wallet.pending[0].created_at > PATIENCE:
            added = await self._ledger.add(wallet.pending)
            pending = [filed(it) for it in (*wallet.pending, *change.entries) if it not in added]
            numbers = [it.sequence for it in added]
            update = {"$set": {**after, "pending": pending}, "$push": {"unpublished": {"$each": numbers}}}
        else:
            update = {"$set": after, "$push": {"pending": {"$each": [filed(it) for it in change.entries]}}}
        try:
            result = await self._wallets.update_one(before, update, upsert=wallet.sequence == 0)
        except DuplicateKeyError:  # it was thought to be new
            return False
        return result.matched_count == 1 or result.upserted_id is not None


def read(document: Document) -> Wallet:
    """The wallet as it was stored; releases before knew no limits and no deposits of a day."""
    limits, raised, deposits = (document.get(field) for field in ("limits", "raised", "deposits"))
    return Wallet(
        document["_id"],
        document["balance"],
        document["sequence"],
        tuple(entry(it) for it in document["pending"]),
        Held(
            Limits(**limits) if limits else DEFAULT, Raise(Limits(**raised["limits"]), raised["at"]) if raised else None
        ),
        Day(**deposits) if deposits else NEVER,
    )


def _limits(held: Held) -> Document:
    """The fields that hold them; nothing is stored of those that nobody has set."""
    if held == UNSET:
        return {"limits": None, "raised": None}
    return {"limits": asdict(held.limits), "raised": asdict(held.raised) if held.raised else None}
