"""Rounds in MongoDB."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime, timedelta

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from reelback_common.mongo import Document

from reelback_game.rounds import Round, State
from reelback_game.slots import Outcome, Win


class Rounds:
    """All rounds. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._rounds = database["rounds"]
        self._prepared = False

    async def ready(self) -> None:
        """Return when the store answers and has its indexes."""
        if not self._prepared:
            await self._rounds.create_index([("player_id", ASCENDING), ("played_at", DESCENDING)])
            await self._rounds.create_index([("state", ASCENDING), ("attempted_at", ASCENDING)])
            self._prepared = True
        await self._database.command("ping")

    async def open(self, fresh: Round) -> Round:
        """`fresh` as it is stored now, or the round that its player's request has opened before."""
        key = _key(fresh)
        try:
            await self._rounds.insert_one({"_id": key, **asdict(fresh)})
        except DuplicateKeyError:
            # Whoever is about to void the round sees that it is being played again.
            await self._rounds.update_one(
                {"_id": key, "state": {"$ne": State.SETTLED}},
                {"$set": {"state": State.OPENED, "attempted_at": fresh.attempted_at}},
            )
            document = await self._rounds.find_one({"_id": key})
            if document is None:
                raise
            return _round(document)
        return fresh

    async def settle(self, played: Round, balance_after: int) -> Round:
        """The round is over, whatever others thought of it meanwhile."""
        document = await self._rounds.find_one_and_update(
            {"_id": _key(played)},
            {"$set": {"state": State.SETTLED, "balance_after": balance_after}},
            return_document=ReturnDocument.AFTER,
        )
        if document is None:
            raise LookupError(f"round {played.round_id} was opened, and is gone")
        return _round(document)

    async def void(self, seen: Round) -> None:
        """The bet was not taken, and nobody has asked for the round again since it was `seen`."""
        await self._rounds.update_one(
            {"_id": _key(seen), "state": State.OPENED, "attempted_at": seen.attempted_at},
            {"$set": {"state": State.VOID}},
        )

    async def newest(self, player_id: str, limit: int) -> list[Round]:
        """The settled rounds of a player, the newest first."""
        cursor = self._rounds.find({"player_id": player_id, "state": State.SETTLED})
        return [_round(document) async for document in cursor.sort("played_at", DESCENDING).limit(limit)]

    async def interrupted(self, age: timedelta, limit: int) -> list[Round]:
        """Rounds that were opened at least `age` ago and came to no end, the oldest first."""
        cursor = self._rounds.find({"state": State.OPENED, "attempted_at": {"$lt": datetime.now(UTC) - age}})
        return [_round(document) async for document in cursor.sort("attempted_at", ASCENDING).limit(limit)]


def _key(round_: Round) -> str:
    """Players choose request ids, so each player has a space of their own; identifiers hold no slash."""
    return f"{round_.player_id}/{round_.request_id}"


def _round(document: Document) -> Round:
    fields = {name: value for name, value in document.items() if name != "_id"}
    shown = fields["outcome"]
    outcome = Outcome(tuple(shown["window"]), tuple(Win(**win) for win in shown["wins"]))
    return Round(**{**fields, "outcome": outcome, "state": State(fields["state"])})
