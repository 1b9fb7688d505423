"""Players over gRPC."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Container, Mapping
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
from reelback_common.events import Outgoing
from reelback_common.refusals import Wait, refusing
from reelback_common.staff import audit, pages, roles
from reelback_common.staff.roles import May
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
    NotAllowed,
    NotNow,
    Taken,
    Unknown,
    check_password,
    clean_name,
    decision,
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
    NotAllowed: StatusCode.PERMISSION_DENIED,
    pages.BadPage: StatusCode.INVALID_ARGUMENT,
    Contention: StatusCode.ABORTED,
    Wait: StatusCode.RESOURCE_EXHAUSTED,
}
UNAVAILABLE = (ConnectionFailure, RedisConnectionError, RedisTimeoutError, OutOfMemoryError)
DECISIONS = {number: kyc for kyc, number in KYC.items()}

MOST_PROFILES = 200
"""That may be asked for by their ids at once."""


class User(user_pb2_grpc.UserServicer):
    """reelback.v1.User on stores of accounts and sessions.

    `email_secret` makes the codes that verify addresses; `staff` are by each role the addresses whose owners have it;
    `offer` is told of every change of an account.
    """

    def __init__(
        self,
        accounts: Accounts,
        sessions: Sessions,
        attempts: Attempts,
        log: audit.AuditLog,
        *,
        email_secret: str,
        staff: Mapping[str, Container[str]],
        offer: Callable[[Outgoing], None],
    ) -> None:
        self._accounts = accounts
        self._sessions = sessions
        self._attempts = attempts
        self._log = log
        self._email_secret = email_secret
        self._staff = staff
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
            registered = change(account, trace_headers())
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
            return _session(await self._sessions.open(account.player_id, self._roles(account)))

    async def CheckSession(self, request: user_pb2.CheckSessionRequest, context: Context) -> user_pb2.Session:
        """Whose session it is."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            session = await self._session(request.session_id)
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
            account = (await self._known(request.player_id)).submitted(_now())
            await self._change_kyc(account)
        return _profile(account)

    async def DecideKyc(self, request: user_pb2.DecideKycRequest, context: Context) -> user_pb2.Profile:
        """Somebody has looked at the documents."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            wanted = decision(DECISIONS.get(request.kyc))
            by = (await self._member(request.session_id, May.DECIDE_KYC)).player_id
            async with self._log.decision(audit.Asked(by, f"kyc {wanted}", request.player_id), REFUSALS) as note:
                known = await self._known(request.player_id)
                account = known.decided(wanted, by, _now())
                if account is known:
                    note.outcome = audit.BEFORE
                else:
                    await self._change_kyc(account)
        return _profile(account)

    async def ListPlayers(self, request: user_pb2.ListPlayersRequest, context: Context) -> user_pb2.Players:
        """All, or those that a text finds."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            text, limit = request.text.strip(), pages.checked(request.limit)
            if request.cursor and not request.cursor.isdecimal():
                raise pages.BadPage("cursor: is not one of these pages'")
            if "@" in text:
                one = await self._accounts.by_email(normalise_email(text))
                return user_pb2.Players(players=[_profile(one)] if one else [])
            if text and not request.cursor and (one := await self._accounts.by_id(text)):
                return user_pb2.Players(players=[_profile(one)])
            found, following = await self._accounts.page(text, int(request.cursor or 0), limit)
        return user_pb2.Players(players=map(_profile, found), next=str(following or ""))

    async def GetProfiles(self, request: user_pb2.GetProfilesRequest, context: Context) -> user_pb2.Players:
        """Those of these players that there are."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            if len(request.player_ids) > MOST_PROFILES:
                raise Invalid(f"player_ids: are at most {MOST_PROFILES}")
            found = await self._accounts.by_ids(request.player_ids)
        return user_pb2.Players(players=map(_profile, found))

    async def ListKyc(self, request: user_pb2.ListKycRequest, context: Context) -> user_pb2.Players:
        """Whose documents wait."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            found, following = await self._accounts.waiting(request.cursor, pages.checked(request.limit))
        return user_pb2.Players(players=map(_profile, found), next=following)

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

    async def _session(self, session_id: str) -> Session:
        """An open session. A role that was taken away is no longer in it. Raises Denied."""
        session = await self._sessions.find(session_id)
        if await faults.refuses("user.session.refused_rate"):
            security.report("guessed-session", "a session was asked for that nobody has opened")
            session = None
        if session is None:
            raise Denied("the session has ended, sign in again")
        if not session.roles:
            return session
        account = await self._accounts.by_id(session.player_id)
        return replace(session, roles=self._roles(account) if account else ())

    async def _member(self, session_id: str, may: May) -> Session:
        """The session of somebody who may do this. Raises Denied and NotAllowed."""
        session = await self._session(session_id)
        if may not in roles.granted(session.roles):
            security.report("permission", "somebody without the role for it asked for a decision")
            raise NotAllowed("no role of yours may decide on documents")
        return session

    def _roles(self, account: Account) -> tuple[str, ...]:
        return tuple(
            role for role, addresses in self._staff.items() if account.email_verified and account.email in addresses
        )

    async def _change_kyc(self, account: Account) -> None:
        changed = change(account, trace_headers())
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
        kyc_decided_by=account.kyc_by,
    )
    if account.kyc_at:
        message.kyc_changed_at.FromDatetime(account.kyc_at)
    message.created_at.FromDatetime(account.created_at)
    return message


def _session(session: Session) -> user_pb2.Session:
    message = user_pb2.Session(session_id=session.session_id, player_id=session.player_id, roles=session.roles)
    message.expires_at.FromDatetime(session.expires_at)
    return message
