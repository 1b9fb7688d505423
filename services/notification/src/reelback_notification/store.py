"""Messages and preferences in MongoDB.

What is not delivered yet is in `outgoing_<channel>`: small collections, since they are looked through. What is over is
copied to `messages`, and then leaves there; so an event that comes again makes a message that is in one of the two
already, and is dropped at once, or before it is sent.

One process at a time sends what is in a channel: who has reserved it. A reservation ends by itself, so that whoever
dies with one is followed by another.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pymongo import ASCENDING, DESCENDING, UpdateOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import BulkWriteError, DuplicateKeyError
from reelback_common.mongo import Document

from reelback_notification.messages import Channel, Message, Template
from reelback_notification.preferences import Preferences

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


class Store:
    """Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._outgoing = {channel: database[f"outgoing_{channel}"] for channel in Channel}
        self._messages = database["messages"]
        self._preferences = database["preferences"]
        self._reserved = database["reserved"]
        self._owner = secrets.token_hex(8)
        self._prepared = False

    async def ready(self) -> None:
        """Return when the store answers and has its indexes."""
        if not self._prepared:
            for outgoing in self._outgoing.values():
                await outgoing.create_index("due_at")
            await self._messages.create_index([("player_id", ASCENDING), ("created_at", DESCENDING)])
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
        with suppress(DuplicateKeyError):
            await self._outgoing[message.channel].insert_one(
                {"_id": fields.pop("id"), **fields, "due_at": message.created_at}
            )

    async def reserve(self, name: str, now: datetime, duration: timedelta) -> datetime:
        """When `name` is free: `now`, and then it is this process' for so long; or later, and nothing is done."""
        try:
            await self._reserved.update_one(
                {"_id": name, "until": {"$lte": now}},
                {"$set": {"until": now + duration, "owner": self._owner}},
                upsert=True,
            )
        except DuplicateKeyError:
            document = await self._reserved.find_one({"_id": name})
            return document["until"] if document else now + duration
        return now

    async def release(self, name: str) -> None:
        """End a reservation of this process before its time."""
        await self._reserved.delete_one({"_id": name, "owner": self._owner})

    async def due(self, channel: Channel, limit: int, now: datetime) -> list[Message]:
        """Some messages of a channel that are due, at most `limit`; for who has reserved the channel."""
        outgoing = self._outgoing[channel]
        # Not sorted: the stand-in for mongod would read them all for it, and an index gives them in order anyway.
        found = {
            document["_id"]: _message(document)
            async for document in outgoing.find({"due_at": {"$lte": now}}).limit(limit)
        }
        if not found:
            return []
        over = [document["_id"] async for document in self._messages.find({"_id": {"$in": list(found)}}, {"_id": True})]
        if over:
            await outgoing.delete_many({"_id": {"$in": over}})
        return [message for message_id, message in found.items() if message_id not in over]

    async def settle(self, channel: Channel, outcomes: Sequence[Outcome]) -> None:
        """Keep what became of messages of a channel. May be repeated."""
        outgoing = self._outgoing[channel]
        over = [outcome for outcome in outcomes if outcome.state is not State.PENDING]
        if over:
            try:
                await self._messages.insert_many([_settled(outcome) for outcome in over], ordered=False)
            except BulkWriteError as error:
                if any(problem["code"] != _DUPLICATE for problem in error.details["writeErrors"]):
                    raise
            await outgoing.delete_many({"_id": {"$in": [outcome.message.id for outcome in over]}})
        again = [
            UpdateOne(
                {"_id": outcome.message.id},
                {"$set": {"due_at": outcome.at, "attempts": outcome.message.attempts, "reason": outcome.reason}},
            )
            for outcome in outcomes
            if outcome.state is State.PENDING
        ]
        if again:
            await outgoing.bulk_write(again, ordered=False)

    async def history(self, player_id: str, limit: int) -> list[tuple[Message, State]]:
        """The newest messages to a player first."""
        found: dict[str, tuple[Message, State]] = {}
        # What is being moved is in two for a moment: the later look wins.
        for collection in (*self._outgoing.values(), self._messages):
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
