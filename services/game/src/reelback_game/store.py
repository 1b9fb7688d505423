"""Rounds in MongoDB.

A round is inserted into `open_rounds` before its bet is taken, and into `rounds`, once, when it is over: that insertion
settles it. It leaves `open_rounds` when its event is published, or when its bet was never taken. So `open_rounds` is
the outbox and the list of what is unfinished, written ahead and small, while `rounds`, which only grows, is asked for
keys and never searched.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import count

from pymongo import ASCENDING, ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from reelback_common.events import Outgoing
from reelback_common.mongo import Document

from reelback_game.rounds import Round, State
from reelback_game.slots import Outcome, Win

PAGE = 200
SEARCHED = 1_000
"""How many of the oldest rounds in the outbox are looked at for interrupted ones."""


class Rounds:
    """All rounds. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._open = database["open_rounds"]
        self._rounds = database["rounds"]
        self._prepared = False

    async def ready(self) -> None:
        """Return when the store answers and keeps places unique."""
        if not self._prepared:
            await self._rounds.create_index("place", unique=True, sparse=True)
            self._prepared = True
        await self._database.command("ping")

    async def open(self, fresh: Round) -> Round:
        """`fresh` as it is stored now, or the round that its player's request has opened or settled before."""
        while True:
            current = fresh
            try:
                await self._open.insert_one(_document(fresh))
            except DuplicateKeyError:
                # Whoever is about to drop the round sees that it is being played again.
                attempt = {"$set": {"attempted_at": fresh.attempted_at}}
                document = await self._open.find_one_and_update(
                    {"_id": fresh.round_id}, attempt, return_document=ReturnDocument.AFTER
                )
                if document is None:
                    continue  # it left in this moment
                current = _round(document)
            # A settled round is in `rounds` before it leaves `open_rounds`, so that a look there afterwards finds it.
            settled = await self._rounds.find_one({"_id": fresh.round_id})
            if settled is None:
                return current
            if current is fresh:
                await self.drop(fresh)
            return _round(settled)

    async def settle(self, played: Round) -> Round:
        """The round is over; as it was settled first, if this is not the first time."""
        place = _place(played.player_id, played.sequence)
        try:
            await self._rounds.insert_one({**_document(played), "place": place})
        except DuplicateKeyError:
            document = await self._rounds.find_one({"_id": played.round_id})
            if document is None:
                raise
            return _round(document)
        return played

    async def drop(self, seen: Round) -> None:
        """The round was not played, unless somebody has asked for it again since it was `seen`."""
        await self._open.delete_one({"_id": seen.round_id, "attempted_at": seen.attempted_at})

    async def at(self, player_id: str, sequences: Iterable[int]) -> list[Round]:
        """The settled rounds of a player whose bets have these numbers in the ledger, the newest first."""
        places = [_place(player_id, sequence) for sequence in sequences]
        found = [_round(document) async for document in self._rounds.find({"place": {"$in": places}})]
        return sorted(found, key=lambda played: played.sequence, reverse=True)

    async def interrupted(self, age: timedelta, limit: int) -> list[Round]:
        """Rounds that were last asked for at least `age` ago and came to no end; of the oldest in the outbox only, if
        that is long because there is no broker."""
        before = datetime.now(UTC) - age
        found: list[Round] = []
        async for opened, settled in self._pages(SEARCHED // PAGE):
            found += [it for it in opened if it.round_id not in settled and it.attempted_at < before]
            if len(found) >= limit:
                break
        return found[:limit]

    async def unpublished(self, limit: int) -> Sequence[Outgoing]:
        """The events of settled rounds that are still in the outbox."""
        found: list[Round] = []
        async for opened, settled in self._pages():
            ended = [it for it in opened if it.round_id in settled]
            found += sorted(ended, key=lambda it: settled[it.round_id])
            if len(found) >= limit:
                break
        return [it.settled_event() for it in found[:limit]]

    async def published(self, sent: Sequence[Outgoing]) -> None:
        """Take the rounds of these events out of the outbox."""
        await self._open.delete_many({"_id": {"$in": [outgoing.event.event_id for outgoing in sent]}})

    async def _pages(self, most: int | None = None) -> AsyncIterator[tuple[list[Round], dict[str, int]]]:
        """What the outbox holds, in the order in which it was inserted; and which of each page are settled, with the
        numbers of their bets. Each page is a query of its own: a long cursor is more than a small server can hold."""
        for page in count() if most is None else range(most):
            cursor = self._open.find().sort("$natural", ASCENDING).skip(page * PAGE).limit(PAGE)
            opened = [_round(document) async for document in cursor]
            if not opened:
                return
            keys = [it.round_id for it in opened]
            ended = self._rounds.find({"_id": {"$in": keys}}, projection={"sequence": True})
            yield opened, {document["_id"]: document["sequence"] async for document in ended}


def _place(player_id: str, sequence: int) -> str:
    """Identifiers hold no slash."""
    return f"{player_id}/{sequence}"


def _document(round_: Round) -> Document:
    fields = asdict(round_)
    return {"_id": fields.pop("round_id"), **fields}


def _round(document: Document) -> Round:
    fields = {name: value for name, value in document.items() if name not in ("_id", "place")}
    shown = fields["outcome"]
    outcome = Outcome(tuple(shown["window"]), tuple(Win(**win) for win in shown["wins"]))
    return Round(**{**fields, "round_id": document["_id"], "outcome": outcome, "state": State(fields["state"])})
