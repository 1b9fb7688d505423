"""Accounts in MongoDB, sessions in Redis.

An account's document is its own outbox: each change adds its event to the array `outbox` in the same update, and the
event leaves when it is published.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from redis.asyncio import Redis
from reelback_common.events import Outgoing
from reelback_common.mongo import Document
from reelback_telemetry import cache

from reelback_user.accounts import Account, Kyc, Taken
from reelback_user.events import Change


class Accounts:
    """All accounts. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self._database = database
        self._accounts = database["accounts"]
        self._prepared = False

    async def ready(self) -> None:
        """Return when the store answers and keeps addresses unique."""
        if not self._prepared:
            await self._accounts.create_index("email", unique=True)
            await self._accounts.create_index("outbox.at", sparse=True)
            # For `change_kyc`: a small server looks up by exactly the fields of a unique index, or searches.
            await self._accounts.create_index([("_id", ASCENDING), ("kyc_changes", ASCENDING)], unique=True)
            # Accounts from before it could change.
            await self._accounts.update_many({"kyc_changes": {"$exists": False}}, {"$set": {"kyc_changes": 0}})
            self._prepared = True
        await self._database.command("ping")

    async def add(self, account: Account, change: Change) -> None:
        """Store a new account. Raises Taken."""
        fields = asdict(account)
        try:
            await self._accounts.insert_one({"_id": fields.pop("player_id"), **fields, "outbox": [_kept(change)]})
        except DuplicateKeyError:
            raise Taken("email: another account has this address") from None

    async def change_kyc(self, account: Account, change: Change) -> bool:
        """Store the changed state of an account; false if somebody else has changed it since."""
        done = await self._accounts.update_one(
            {"_id": account.player_id, "kyc_changes": account.kyc_changes - 1},
            {"$set": {"kyc": account.kyc, "kyc_changes": account.kyc_changes}, "$push": {"outbox": _kept(change)}},
        )
        return done.modified_count == 1

    async def verify_email(self, player_id: str) -> None:
        """Store that mail to the account's address reaches the player."""
        await self._accounts.update_one({"_id": player_id}, {"$set": {"email_verified": True}})

    async def unpublished(self, limit: int) -> Sequence[Outgoing]:
        """The events in the outboxes of all accounts: the oldest account first, each player's in order."""
        found: list[Outgoing] = []
        waiting = self._accounts.find({"outbox.at": {"$exists": True}}, projection={"outbox": True})
        async for document in waiting.sort("outbox.at", ASCENDING).limit(limit):
            found += [_change(document["_id"], kept).event() for kept in document["outbox"]]
        return found[:limit]

    async def published(self, sent: Sequence[Outgoing]) -> None:
        """Take these events out of their accounts."""
        players = {outgoing.event.player_id for outgoing in sent}
        events = [outgoing.event.event_id for outgoing in sent]
        await self._accounts.update_many(
            {"_id": {"$in": [*players]}}, {"$pull": {"outbox": {"event_id": {"$in": events}}}}
        )

    async def by_email(self, email: str) -> Account | None:
        """The account with a normalised address."""
        return _account(await self._accounts.find_one({"email": email}))

    async def by_id(self, player_id: str) -> Account | None:
        """The account of a player."""
        return _account(await self._accounts.find_one({"_id": player_id}))


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in player. `session_id` is a secret; `expires_at` is UTC."""

    session_id: str
    player_id: str
    expires_at: datetime
    role: str = ""


class Sessions:
    """Open sessions; they end by themselves. Every method raises RedisError when the store does not answer.

    Redis holds digests of session ids only: who can read it cannot sign in with what is there.
    """

    def __init__(self, redis: Redis, lifetime: timedelta) -> None:
        self._redis = redis
        self._lifetime = lifetime
        self._prepared = False

    async def ready(self) -> None:
        """Return when the store answers. What minisentry kept in it, before it had one of its own, makes room."""
        if not self._prepared:
            async for names in _pages(self._redis, "minisentry:*"):
                await self._redis.unlink(*names)
            self._prepared = True
        await self._redis.ping()

    async def open(self, player_id: str, role: str) -> Session:
        """A new session of a player, who has a role, or none: ""."""
        expires_at = datetime.now(UTC).replace(microsecond=0) + self._lifetime
        session = Session(secrets.token_urlsafe(32), player_id, expires_at, role)
        value = f"{player_id} {int(expires_at.timestamp())} {role}"
        await self._redis.set(_key(session.session_id), value, exat=expires_at)
        return session

    async def find(self, session_id: str) -> Session | None:
        """The session, unless it was closed or has run out."""
        value = await self._redis.get(_key(session_id))
        cache.looked_up("sessions", hit=value is not None)
        if value is None:
            return None
        player_id, expires_at, *roles = str(value).split()
        return Session(session_id, player_id, datetime.fromtimestamp(int(expires_at), UTC), *roles)

    async def close(self, session_id: str) -> None:
        """End a session; none there is not an error."""
        await self._redis.delete(_key(session_id))


async def _pages(redis: Redis, pattern: str) -> AsyncIterator[list[str]]:
    """The names of keys, some at a time; once each page has been looked at, Redis has done other things, too."""
    cursor: Any = None
    while cursor != 0:
        cursor, names = await redis.scan(cursor or 0, match=pattern, count=1000)
        if names:
            yield [str(name) for name in names]


def _key(session_id: str) -> str:
    return "session:" + hashlib.sha256(session_id.encode()).hexdigest()


def _account(document: Document | None) -> Account | None:
    if document is None:
        return None
    fields = {name: value for name, value in document.items() if name not in ("_id", "outbox")}
    return Account(**{**fields, "player_id": document["_id"], "kyc": Kyc(document["kyc"])})


def _kept(change: Change) -> Document:
    """A change as it stands in the outbox of its account."""
    fields = asdict(change)
    del fields["player_id"]
    return {"event_id": change.event_id, **fields}


def _change(player_id: str, kept: Document) -> Change:
    fields = {name: value for name, value in kept.items() if name != "event_id"}
    return Change(**{**fields, "player_id": player_id, "kyc": Kyc(kept["kyc"])})
