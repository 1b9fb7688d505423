"""Messages and preferences in MongoDB.

`outgoing` is small: what is not delivered yet, {_id, player_id, channel, ..., due_at}. Who delivers a message claims
it first, by putting `due_at` as far away as a claim lasts; a claim whose owner died is due again by itself. What is
delivered, or never will be, is copied to `messages`, and then leaves `outgoing`. So an event that comes again makes a
message that is in one of the two already: at once (same _id), or when it is claimed.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from pymongo import ASCENDING, DESCENDING, UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, DuplicateKeyError
from reelback_common.mongo import Document

from reelback_notification.messages import Channel, Message, Template
from reelback_notification.preferences import Preferences

CLAIM = timedelta(seconds=30)
"""How long a claim lasts; nobody works on one for as long."""

_DUPLICATE = 11000


class State(StrEnum):
    """How far a message has come."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a message: `at` is when it was over, or when a PENDING one is due again.

    `reason` says what was wrong, without personal data.
    """

    message: Message
    state: State
    reason: str
    at: datetime


class Claim(NamedTuple):
    """Messages to be delivered now, and when the next one is due, if any is known."""

    messages: list[Message]
    next_due: datetime | None


class Store:
    """Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._outgoing = database["outgoing"]
        self._messages = database["messages"]
        self._preferences = database["preferences"]
        self._quiet = database["quiet"]
        self._prepared = False

    async def ready(self) -> None:
        """Return when the store answers and has its indexes."""
        if not self._prepared:
            await self._outgoing.create_index([("channel", ASCENDING), ("due_at", ASCENDING)])
            for collection in (self._outgoing, self._messages):
                await collection.create_index([("player_id", ASCENDING), ("created_at", DESCENDING)])
            self._prepared = True
        await self._database.command("ping")

    async def preferences(self, player_id: str) -> Preferences:
        """What a player has chosen, or the defaults."""
        document = await self._preferences.find_one({"_id": player_id})
        if document is None:
            return Preferences(player_id)
        return Preferences(document.pop("_id"), **document)

    async def set_preferences(self, preferences: Preferences) -> None:
        """Keep a player's choice."""
        fields = asdict(preferences)
        player_id = fields.pop("player_id")
        await self._preferences.replace_one({"_id": player_id}, fields, upsert=True)

    async def add(self, message: Message) -> None:
        """A new message, due at once; nothing when it is on its way already."""
        fields = asdict(message)
        try:
            await self._outgoing.insert_one({"_id": fields.pop("id"), **fields, "due_at": message.created_at})
        except DuplicateKeyError:
            return

    async def claim(self, channel: Channel, limit: int, now: datetime) -> Claim:
        """At most `limit` messages of a channel that are due, the oldest first, for the caller alone."""
        first = self._outgoing.find({"channel": channel}, {"due_at": True}).sort("due_at", ASCENDING).limit(limit)
        due: list[str] = []
        next_due = None
        async for document in first:
            if document["due_at"] > now:
                next_due = document["due_at"]
                break
            due.append(document["_id"])
        if not due:
            return Claim([], next_due)
        token = secrets.token_hex(8)
        await self._outgoing.update_many(
            {"_id": {"$in": due}, "due_at": {"$lte": now}}, {"$set": {"due_at": now + CLAIM, "claim": token}}
        )
        mine = {
            document["_id"]: _message(document)
            async for document in self._outgoing.find({"_id": {"$in": due}, "claim": token})
        }
        delivered = [
            document["_id"] async for document in self._messages.find({"_id": {"$in": list(mine)}}, {"_id": True})
        ]
        if delivered:
            await self._outgoing.delete_many({"_id": {"$in": delivered}})
        return Claim([mine[each] for each in due if each in mine and each not in delivered], next_due)

    async def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Keep what became of claimed messages. May be repeated."""
        over = [outcome for outcome in outcomes if outcome.state is not State.PENDING]
        if over:
            try:
                await self._messages.insert_many([_settled(outcome) for outcome in over], ordered=False)
            except BulkWriteError as error:
                if any(problem["code"] != _DUPLICATE for problem in error.details["writeErrors"]):
                    raise
            await self._outgoing.delete_many({"_id": {"$in": [outcome.message.id for outcome in over]}})
        again = [
            UpdateOne(
                {"_id": outcome.message.id},
                {
                    "$set": {
                        "due_at": outcome.at,
                        "attempts": outcome.message.attempts,
                        "reason": outcome.reason,
                    }
                },
            )
            for outcome in outcomes
            if outcome.state is State.PENDING
        ]
        if again:
            await self._outgoing.bulk_write(again, ordered=False)

    async def speak(self, rule: str, now: datetime, quiet: timedelta) -> datetime:
        """When a message about `rule` may go out: `now`, and then none for as long as `quiet`; or later."""
        try:
            await self._quiet.update_one(
                {"_id": rule, "until": {"$lte": now}}, {"$set": {"until": now + quiet}}, upsert=True
            )
        except DuplicateKeyError:
            document = await self._quiet.find_one({"_id": rule})
            return document["until"] if document else now
        return now

    async def history(self, player_id: str, limit: int) -> list[tuple[Message, State]]:
        """The newest messages to a player first."""
        found: dict[str, tuple[Message, State]] = {}
        # What is being moved is in both for a moment: the later look wins.
        for collection in (self._outgoing, self._messages):
            cursor = collection.find({"player_id": player_id}).sort("created_at", DESCENDING).limit(limit)
            found |= {
                document["_id"]: (_message(document), State(document.get("state", State.PENDING)))
                async for document in cursor
            }
        return sorted(found.values(), key=lambda each: each[0].created_at, reverse=True)[:limit]


def _settled(outcome: Outcome) -> Document:
    fields = asdict(outcome.message)
    del fields["headers"]
    settled = {"state": outcome.state, "reason": outcome.reason, "settled_at": outcome.at}
    return {"_id": fields.pop("id"), **fields, **settled}


def _message(document: Document) -> Message:
    return Message(
        id=document["_id"],
        player_id=document["player_id"],
        template=Template(document["template"]),
        channel=Channel(document["channel"]),
        facts=document["facts"],
        headers=document.get("headers", {}),
        created_at=document["created_at"],
        attempts=document["attempts"],
    )
