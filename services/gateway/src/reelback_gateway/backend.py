"""What stands behind the routes, and who is asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import sentry_sdk
from fastapi import Depends
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from reelback.v1 import user_pb2
from reelback_common import edge
from reelback_common.staff.roles import May, granted
from reelback_telemetry import security
from reelback_telemetry.context import describe, set_player

from reelback_gateway.limits import Limiter
from reelback_gateway.problems import Problem
from reelback_gateway.tokens import Claims, Invalid, Tokens

if TYPE_CHECKING:  # the stubs' types exist for the type checker only
    from reelback.v1.analytics_pb2_grpc import AnalyticsAsyncStub
    from reelback.v1.audit_pb2_grpc import AuditAsyncStub
    from reelback.v1.debug_pb2_grpc import DebugAsyncStub
    from reelback.v1.game_pb2_grpc import GameAsyncStub
    from reelback.v1.notification_pb2_grpc import NotificationAsyncStub
    from reelback.v1.payment_pb2_grpc import PaymentAsyncStub
    from reelback.v1.user_pb2_grpc import UserAsyncStub


@dataclass(frozen=True, slots=True)
class Office:
    """The services again, on channels whose calls have the token of the back office."""

    user: UserAsyncStub
    payment: PaymentAsyncStub
    analytics: AnalyticsAsyncStub
    user_audit: AuditAsyncStub
    payment_audit: AuditAsyncStub


@dataclass(frozen=True, slots=True)
class Backend:
    """The services behind the gateway, and its own guards; `debug` has what each service can be made to do wrong, and
    `office` what only members of staff may do."""

    user: UserAsyncStub
    game: GameAsyncStub
    payment: PaymentAsyncStub
    analytics: AnalyticsAsyncStub
    notification: NotificationAsyncStub
    debug: Mapping[str, DebugAsyncStub]
    tokens: Tokens
    limiter: Limiter
    office: Office

    async def authenticate(self, token: str) -> Claims:
        """Whose token it is. Raises Problem 401 or 429, and AioRpcError as the user service gave it."""
        try:
            claims = self.tokens.read(token)
        except Invalid:
            raise unauthenticated("the token is not valid, sign in again") from None
        await self.limiter.check_player(claims.player_id)
        session = await self.user.CheckSession(user_pb2.CheckSessionRequest(session_id=claims.session_id))
        if session.player_id != claims.player_id:
            security.report("token-of-another", "a token names another player than its session")
            raise unauthenticated("the token is not valid, sign in again")
        set_player(claims.player_id)
        describe(authenticated=True)
        sentry_sdk.add_breadcrumb(category="auth", message="the session is open")
        return replace(claims, roles=frozenset(session.roles))


def unauthenticated(detail: str) -> Problem:
    """Problem 401."""
    return Problem(401, detail, "unauthenticated", {"WWW-Authenticate": "Bearer"})


def backend(connection: HTTPConnection) -> Backend:
    """The application's backend."""
    found: Backend = connection.app.state.backend
    return found


BackendOf = Annotated[Backend, Depends(backend)]
_bearer = HTTPBearer(auto_error=False, description="The `token` of POST /api/v1/sessions")


def address(connection: HTTPConnection) -> str:
    """Where a request comes from, as far as that can be believed."""
    return edge.address(connection.client.host) if connection.client else "unknown"


Address = Annotated[str, Depends(address)]


async def check_address(backend: BackendOf, address: Address) -> None:
    """Count the request for the address it comes from. Raises Problem 429."""
    describe(authenticated=False)  # until a token says more
    await backend.limiter.check_address(address)


ADDRESS_LIMIT = [Depends(check_address)]
"""What every router's requests pass first."""


async def signed_in(
    backend: BackendOf, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Claims:
    """The player who sends the request. Raises Problem 401."""
    if credentials is None:
        raise unauthenticated("send the token of a session as Authorization: Bearer")
    return await backend.authenticate(credentials.credentials)


Player = Annotated[Claims, Depends(signed_in)]


def permit(player: Claims, what: May, detail: str) -> None:
    """Raises Problem 403, with `detail`, for a player whose roles do not allow this."""
    if what not in granted(player.roles):
        security.report("permission", "somebody without the role for it asked for what only some may do")
        raise Problem(403, detail, "permission-denied")
