"""Players over gRPC."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeAlias

import grpc
import sentry_sdk
from grpc import StatusCode
from pymongo.errors import ConnectionFailure
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError
from redis.exceptions import TimeoutError as RedisTimeoutError
from reelback.v1 import user_pb2, user_pb2_grpc
from reelback_common import account_kind, faults
from reelback_common.debug_endpoints import ROLE
from reelback_common.events import Outgoing
from reelback_common.refusals import Wait, refusing
from reelback_common.verification import email_code
from reelback_telemetry import business, security
from reelback_telemetry.context import set_player
from reelback_telemetry.messaging import trace_headers
from reelback_telemetry.operations import tag_business_operation

from reelback_user import passwords
from reelback_user.accounts import (
    Account,
    Contention,
    Denied,
    Invalid,
    Kyc,
    NotNow,
    Taken,
    Unknown,
    check_password,
    clean_name,
    normalise_email,
)
from reelback_user.attempts import Attempts
from reelback_user.events import KYC, change
from reelback_user.store import Accounts, Session, Sessions

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

REFUSALS = {
    Invalid: StatusCode.INVALID_ARGUMENT,
    Taken: StatusCode.ALREADY_EXISTS,
    Denied: StatusCode.UNAUTHENTICATED,
    Unknown: StatusCode.NOT_FOUND,
    NotNow: StatusCode.FAILED_PRECONDITION,
    Contention: StatusCode.ABORTED,
    Wait: StatusCode.RESOURCE_EXHAUSTED,
}
UNAVAILABLE = (ConnectionFailure, RedisConnectionError, RedisTimeoutError, OutOfMemoryError)
DECISIONS = {number: kyc for kyc, number in KYC.items()}


class User(user_pb2_grpc.UserServicer):
    """reelback.v1.User on stores of accounts and sessions.

    `email_secret` makes the codes that verify addresses; `testers` are the addresses whose owners have that role;
    `offer` is told of every change of an account.
    """

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        attempts: Attempts,
        *,
        email_secret: str,
        testers: Container[str],
        offer: Callable[[Outgoing], None],
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._attempts = attempts
        self._email_secret = email_secret
        self._testers = testers
        self._offer = offer

    @tag_business_operation("registration")
    async def Register(self, request: user_pb2.RegisterRequest, context: Context) -> user_pb2.Profile:
        """A new player, not signed in yet."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            email = normalise_email(request.email)
            check_password(request.password)
            name = clean_name(request.display_name)
            password_hash = await passwords.hashed(request.password)
            account = Account(secrets.token_hex(12), email, name, password_hash, _now())
            registered = change(account, account.created_at, trace_headers())
            await self._accounts.add(account, registered)
            self._offer(registered.event())
        set_player(account.player_id)
        sentry_sdk.add_breadcrumb(category="auth", message="registered")
        business.track_conversion_funnel("first game", "registered")
        return _profile(account)

    @tag_business_operation("sign-in")
    async def SignIn(self, request: user_pb2.SignInRequest, context: Context) -> user_pb2.Session:
        """A session for a password."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            email = normalise_email(request.email)
            attempt = await self._attempts.begin(email, request.address)
            account = await self._accounts.by_email(email)
            known = await passwords.matches(account.password_hash if account else None, request.password)
            if account is None or not known:
                sentry_sdk.add_breadcrumb(category="auth", message="the password was wrong")
                await self._attempts.failed(attempt)
                raise Denied("email or password is wrong")
            await self._attempts.succeeded(attempt)
            set_player(account.player_id)
            _describe(account)
            sentry_sdk.add_breadcrumb(category="auth", message="signed in")
            tester = account.email_verified and account.email in self._testers
            return _session(await self._sessions.open(account.player_id, ROLE if tester else ""))

    async def CheckSession(self, request: user_pb2.CheckSessionRequest, context: Context) -> user_pb2.Session:
        """Whose session it is."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            session = await self._sessions.find(request.session_id)
            if await faults.refuses("user.session.refused_rate"):
                security.report("guessed-session", "a session was asked for that nobody has opened")
                session = None
            if session is None:
                raise Denied("the session has ended, sign in again")
        set_player(session.player_id)
        sentry_sdk.add_breadcrumb(category="auth", message="the session is open")
        return _session(session)

    async def SignOut(self, request: user_pb2.SignOutRequest, context: Context) -> user_pb2.SignOutResponse:
        """The session is over."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            await self._sessions.close(request.session_id)
        sentry_sdk.add_breadcrumb(category="auth", message="signed out")
        return user_pb2.SignOutResponse()

    async def GetProfile(self, request: user_pb2.GetProfileRequest, context: Context) -> user_pb2.Profile:
        """Who a player is."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            await faults.inject("user.profile.slow_query_ms")
            account = await self._known(request.player_id)
        return _profile(account)

    async def SubmitKyc(self, request: user_pb2.SubmitKycRequest, context: Context) -> user_pb2.Profile:
        """The player has handed in documents."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            account = (await self._known(request.player_id)).submitted()
            await self._change_kyc(account)
        return _profile(account)

    async def DecideKyc(self, request: user_pb2.DecideKycRequest, context: Context) -> user_pb2.Profile:
        """Somebody has looked at the documents."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            known = await self._known(request.player_id)
            account = known.decided(DECISIONS.get(request.kyc))
            if account is not known:
                await self._change_kyc(account)
        return _profile(account)

    async def VerifyEmail(self, request: user_pb2.VerifyEmailRequest, context: Context) -> user_pb2.Profile:
        """The player has read the mail with the code."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            account = await self._known(request.player_id)
            code = email_code(self._email_secret, account.player_id, account.email)
            if not secrets.compare_digest(request.code.strip().upper().encode(), code.encode()):
                raise Invalid("code: is not the one that was sent")
            await self._accounts.verify_email(account.player_id)
        return _profile(replace(account, email_verified=True))

    async def _known(self, player_id: str) -> Account:
        account = await self._accounts.by_id(player_id)
        if account is None:
            raise Unknown("player_id: no such player")
        set_player(account.player_id)
        _describe(account)
        return account

    async def _change_kyc(self, account: Account) -> None:
        changed = change(account, _now(), trace_headers())
        if not await self._accounts.change_kyc(account, changed):
            raise Contention("kyc: it was changed at the same moment, look again")
        self._offer(changed.event())


def _describe(account: Account) -> None:
    account_kind.describe(verified=account.kyc is Kyc.VERIFIED, since=account.created_at)


def _now() -> datetime:
    """In the milliseconds that the store keeps: this answer and later ones are the same."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)


def _profile(account: Account) -> user_pb2.Profile:
    message = user_pb2.Profile(
        player_id=account.player_id,
        email=account.email,
        display_name=account.display_name,
        kyc=KYC[account.kyc],
        email_verified=account.email_verified,
    )
    message.created_at.FromDatetime(account.created_at)
    return message


def _session(session: Session) -> user_pb2.Session:
    message = user_pb2.Session(session_id=session.session_id, player_id=session.player_id, role=session.role)
    message.expires_at.FromDatetime(session.expires_at)
    return message
