"""Players over gRPC."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any, TypeAlias

import grpc
from grpc import StatusCode
from pymongo.errors import ConnectionFailure
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from reelback.v1 import user_pb2, user_pb2_grpc
from reelback_common import faults, telemetry
from reelback_common.refusals import refusing

from reelback_user import passwords
from reelback_user.accounts import (
    Account,
    Denied,
    Invalid,
    Kyc,
    Taken,
    Unknown,
    check_password,
    clean_name,
    normalise_email,
)
from reelback_user.store import Accounts, Session, Sessions

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

REFUSALS = {
    Invalid: StatusCode.INVALID_ARGUMENT,
    Taken: StatusCode.ALREADY_EXISTS,
    Denied: StatusCode.UNAUTHENTICATED,
    Unknown: StatusCode.NOT_FOUND,
}
UNAVAILABLE = (ConnectionFailure, RedisConnectionError, RedisTimeoutError)
KYC = {
    Kyc.NONE: user_pb2.KYC_NONE,
    Kyc.PENDING: user_pb2.KYC_PENDING,
    Kyc.VERIFIED: user_pb2.KYC_VERIFIED,
    Kyc.REFUSED: user_pb2.KYC_REFUSED,
}


class User(user_pb2_grpc.UserServicer):
    """reelback.v1.User on stores of accounts and sessions."""

    def __init__(self, accounts: Accounts, sessions: Sessions) -> None:
        self._accounts = accounts
        self._sessions = sessions

    async def Register(self, request: user_pb2.RegisterRequest, context: Context) -> user_pb2.Profile:
        """A new player, not signed in yet."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            email = normalise_email(request.email)
            check_password(request.password)
            name = clean_name(request.display_name)
            # Milliseconds are what the store keeps: this answer and later ones are the same.
            now = datetime.now(UTC)
            now = now.replace(microsecond=now.microsecond // 1000 * 1000)
            account = Account(secrets.token_hex(12), email, name, await passwords.hashed(request.password), now)
            await self._accounts.add(account)
        return _profile(account)

    async def SignIn(self, request: user_pb2.SignInRequest, context: Context) -> user_pb2.Session:
        """A session for a password."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            email = normalise_email(request.email)
            account = await self._accounts.by_email(email)
            known = await passwords.matches(account.password_hash if account else None, request.password)
            if account is None or not known:
                raise Denied("email or password is wrong")
            telemetry.set_player(account.player_id)
            return _session(await self._sessions.open(account.player_id))

    async def CheckSession(self, request: user_pb2.CheckSessionRequest, context: Context) -> user_pb2.Session:
        """Whose session it is."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            session = await self._sessions.find(request.session_id)
            if session is None:
                raise Denied("the session has ended, sign in again")
        telemetry.set_player(session.player_id)
        return _session(session)

    async def SignOut(self, request: user_pb2.SignOutRequest, context: Context) -> user_pb2.SignOutResponse:
        """The session is over."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            await self._sessions.close(request.session_id)
        return user_pb2.SignOutResponse()

    async def GetProfile(self, request: user_pb2.GetProfileRequest, context: Context) -> user_pb2.Profile:
        """Who a player is."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            await faults.inject("user.profile.slow_query_ms")
            account = await self._accounts.by_id(request.player_id)
            if account is None:
                raise Unknown("player_id: no such player")
        return _profile(account)


def _profile(account: Account) -> user_pb2.Profile:
    message = user_pb2.Profile(
        player_id=account.player_id, email=account.email, display_name=account.display_name, kyc=KYC[account.kyc]
    )
    message.created_at.FromDatetime(account.created_at)
    return message


def _session(session: Session) -> user_pb2.Session:
    message = user_pb2.Session(session_id=session.session_id, player_id=session.player_id)
    message.expires_at.FromDatetime(session.expires_at)
    return message
