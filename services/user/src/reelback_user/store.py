"""Accounts in MongoDB, sessions in Redis."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError
from redis.asyncio import Redis
from reelback_common.mongo import Document

from reelback_user.accounts import Account, Kyc, Taken


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
            self._prepared = True
        await self._database.command("ping")

    async def add(self, account: Account) -> None:
        """Store a new account. Raises Taken."""
        fields = asdict(account)
        try:
            await self._accounts.insert_one({"_id": fields.pop("player_id"), **fields})
        except DuplicateKeyError:
            raise Taken("email: another account has this address") from None

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


class Sessions:
    """Open sessions; they end by themselves. Every method raises RedisError when the store does not answer.

    Redis holds digests of session ids only: who can read it cannot sign in with what is there.
    """

    def __init__(self, redis: Redis, lifetime: timedelta) -> None:
        self._redis = redis
        self._lifetime = lifetime

    async def ready(self) -> None:
        """Return when the store answers."""
        await self._redis.ping()

    async def open(self, player_id: str) -> Session:
        """A new session of a player."""
        expires_at = datetime.now(UTC).replace(microsecond=0) + self._lifetime
        session = Session(secrets.token_urlsafe(32), player_id, expires_at)
        value = f"{player_id} {int(expires_at.timestamp())}"
        await self._redis.set(_key(session.session_id), value, exat=expires_at)
        return session

    async def find(self, session_id: str) -> Session | None:
        """The session, unless it was closed or has run out."""
        value = await self._redis.get(_key(session_id))
        if value is None:
            return None
        player_id, expires_at = str(value).split()
        return Session(session_id, player_id, datetime.fromtimestamp(int(expires_at), UTC))

    async def close(self, session_id: str) -> None:
        """End a session; none there is not an error."""
        await self._redis.delete(_key(session_id))


def _key(session_id: str) -> str:
    return "session:" + hashlib.sha256(session_id.encode()).hexdigest()


def _account(document: Document | None) -> Account | None:
    if document is None:
        return None
    fields = {"player_id": document.pop("_id"), **document, "kyc": Kyc(document["kyc"])}
    return Account(**fields)
