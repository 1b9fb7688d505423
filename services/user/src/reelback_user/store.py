"""Accounts in MongoDB, sessions in Redis.

An account's document is its own outbox: each change adds its event to the array `outbox` in the same update, and the
event leaves when it is published. Beside what an account is, it has `number`, which counts accounts as they register,
and `name_key`, the name as it is compared.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from redis.asyncio import Redis
from reelback_common.events import Outgoing
from reelback_common.mongo import Document
from reelback_common.staff.numbers import Numbers, newest
from reelback_common.staff.waiting import Waiting, gone
from reelback_telemetry import cache

from reelback_user.accounts import Account, Kyc, Taken
from reelback_user.events import Change


class Accounts:
    """All accounts. Every method raises PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document]) -> None:
        self.database = database
        self._accounts = database["accounts"]
        self._numbers = Numbers(database, "accounts")
        self._waiting = Waiting(database)
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
            await self._accounts.create_index("number", unique=True, sparse=True)
            await self._accounts.create_index([("name_key", ASCENDING), ("number", DESCENDING)])
            await self._numbers.prepare()
            await self._waiting.prepare()
            await self._number_old()
            self._prepared = True
        await self.database.command("ping")

    async def _number_old(self) -> None:
        """Number the accounts from before they were, and let wait whose documents do."""
        async for document in self._accounts.find({"number": {"$exists": False}}).sort("created_at", ASCENDING):
            numbered = {"number": await self._numbers.next(), "name_key": _name_key(document["display_name"])}
            await self._accounts.update_one({"_id": document["_id"], "number": {"$exists": False}}, {"$set": numbered})
            if document["kyc"] == Kyc.PENDING:
                await self._waiting.add(f"{document['_id']}/{document['kyc_changes']}")

    async def add(self, account: Account, change: Change) -> None:
        """Store a new account. Raises Taken."""
        own = {"number": await self._numbers.next(), "name_key": _name_key(account.display_name)}
        stored = {**asdict(account), **own, "outbox": [_kept(change)]}
        try:
            await self._accounts.insert_one({"_id": stored.pop("player_id"), **stored})
        except DuplicateKeyError:
            raise Taken("email: another account has this address") from None

    async def change_kyc(self, account: Account, change: Change) -> bool:
        """Store the changed state of an account; false if somebody else has changed it since."""
        if account.kyc is Kyc.PENDING:
            await self._waiting.add(_case(account))
        state = {name: value for name, value in asdict(account).items() if name.startswith("kyc")}
        done = await self._accounts.update_one(
            {"_id": account.player_id, "kyc_changes": account.kyc_changes - 1},
            {"$set": state, "$push": {"outbox": _kept(change)}},
        )
        if done.modified_count and account.kyc is not Kyc.PENDING:
            await self._waiting.remove([_case(replace(account, kyc_changes=account.kyc_changes - 1))])
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

    async def by_ids(self, player_ids: Sequence[str]) -> list[Account]:
        """Those of these accounts that there are."""
        found = self._accounts.find({"_id": {"$in": [*player_ids]}})
        return [account async for document in found if (account := _account(document))]

    async def page(self, begins: str, below: int, limit: int) -> tuple[list[Account], int]:
        """Accounts, the newest first: those with a number under `below`, or all for 0, whose name begins so.

        With them, the number below which the next page begins; 0 when there is none.
        """
        below = below or await self._numbers.last() + 1
        if begins:
            named = {"name_key": {"$regex": f"^{re.escape(_name_key(begins))}"}, "number": {"$lt": below}}
            documents = await self._accounts.find(named).sort("number", DESCENDING).limit(limit).to_list()
        else:
            documents = await newest(self._accounts, "number", below, limit)
        following = documents[-1]["number"] if len(documents) == limit else 0
        return [account for document in documents if (account := _account(document))], following if following > 1 else 0

    async def waiting(self, cursor: str, limit: int) -> tuple[list[Account], str]:
        """Whose documents wait, the longest first, from the place `cursor` on; and where the next page begins."""
        rows = await self._waiting.page(cursor, limit)
        accounts = await self.by_ids([row.key.partition("/")[0] for row in rows])
        pending = {_case(account): account for account in accounts if account.kyc is Kyc.PENDING}
        await self._waiting.remove(gone(rows, pending))
        return [pending[row.key] for row in rows if row.key in pending], rows[-1].place if len(rows) == limit else ""


@dataclass(frozen=True, slots=True)
class Session:
    """A signed-in player. `session_id` is a secret; `expires_at` is UTC."""

    session_id: str
    player_id: str
    expires_at: datetime
    roles: tuple[str, ...] = ()


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

    async def open(self, player_id: str, roles: tuple[str, ...]) -> Session:
        """A new session of a player, who has these roles."""
        expires_at = datetime.now(UTC).replace(microsecond=0) + self._lifetime
        session = Session(secrets.token_urlsafe(32), player_id, expires_at, roles)
        value = " ".join([player_id, str(int(expires_at.timestamp())), *roles])
        await self._redis.set(_key(session.session_id), value, exat=expires_at)
        return session

    async def find(self, session_id: str) -> Session | None:
        """The session, unless it was closed or has run out."""
        value = await self._redis.get(_key(session_id))
        cache.looked_up("sessions", hit=value is not None)
        if value is None:
            return None
        player_id, expires_at, *roles = str(value).split()
        return Session(session_id, player_id, datetime.fromtimestamp(int(expires_at), UTC), tuple(roles))

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
    known = {field.name for field in fields(Account)}
    stored = {name: value for name, value in document.items() if name in known}
    return Account(**{**stored, "player_id": document["_id"], "kyc": Kyc(document["kyc"])})


def _name_key(name: str) -> str:
    return name.casefold()


def _case(account: Account) -> str:
    """The key under which this account's documents wait, another one whenever they are handed in again."""
    return f"{account.player_id}/{account.kyc_changes}"


def _kept(change: Change) -> Document:
    """A change as it stands in the outbox of its account."""
    stored = asdict(change)
    del stored["player_id"]
    return {"event_id": change.event_id, **stored}


def _change(player_id: str, kept: Document) -> Change:
    stored = {name: value for name, value in kept.items() if name != "event_id"}
    return Change(**{**stored, "player_id": player_id, "kyc": Kyc(kept["kyc"])})
