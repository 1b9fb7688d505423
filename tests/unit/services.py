"""The services as real gRPC servers inside the test's process, each on an empty database of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import user_pb2, user_pb2_grpc
from reelback.v1.audit_pb2_grpc import add_AuditServicer_to_server
from reelback.v1.game_pb2_grpc import add_GameServicer_to_server
from reelback.v1.payment_pb2_grpc import PaymentStub, add_PaymentServicer_to_server
from reelback.v1.user_pb2_grpc import UserStub, add_UserServicer_to_server
from reelback_common import client, mongo, redis, server
from reelback_common.client import Channel
from reelback_common.events import Outgoing
from reelback_common.mongo import Document
from reelback_common.readiness import Ready
from reelback_common.settings import ServiceSettings
from reelback_common.staff import roles
from reelback_common.staff.audit import Audit, AuditLog
from reelback_common.verification import email_code
from reelback_game.service import Game
from reelback_game.slots import CLASSIC
from reelback_game.store import Rounds
from reelback_game.table import Table
from reelback_payment.failures import Failures
from reelback_payment.players import Players
from reelback_payment.service import Payment
from reelback_payment.staff import Staff
from reelback_payment.store import Wallets
from reelback_user.attempts import Attempts
from reelback_user.service import User
from reelback_user.store import Accounts, Sessions

from tests.unit.common.waiting import until

if TYPE_CHECKING:
    from reelback.v1.user_pb2_grpc import UserAsyncStub

TOKEN = "a token of at least thirty-two characters"
"""For whatever asks for one."""

STAFF = {role: f"{role}@example.com" for role in roles.ROLES}
"""The address of who has each role."""

STAFF_LISTS = {role: (email,) for role, email in STAFF.items()}
"""As the user service is told them."""

DECIDER = "of finance"
"""A session of somebody who may decide on money, to the user service that knows everybody."""


@asynccontextmanager
async def database(url: str) -> AsyncIterator[AsyncDatabase[Document]]:
    """An empty database."""
    opened = mongo.connect(url, f"test_{secrets.token_hex(6)}")
    try:
        yield opened
    finally:
        await opened.client.close()


@asynccontextmanager
async def serving(
    register: Callable[[grpc.aio.Server], None], ready: Ready, service: str, wait: bool = True, port: int = 0
) -> AsyncIterator[Channel]:
    """A channel to a server that is ready; it listens on `port`, or a free one."""
    running = server.Server(ServiceSettings(port=port, metrics_port=0), register, ready, [service])
    port = await running.start()
    try:
        async with client.connect(f"ipv4:127.0.0.1:{port}", [service]) as channel:
            if wait:
                await until(lambda: is_ready(channel))
            yield channel
    finally:
        await running.stop()


async def is_ready(channel: Channel) -> bool:
    """What the server's health says."""
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(), timeout=2)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


class Anybody(user_pb2_grpc.UserServicer):
    """A user service to which every player is known and verified, for tests of something else."""

    async def GetProfile(self, request: user_pb2.GetProfileRequest, context: Any) -> user_pb2.Profile:
        return user_pb2.Profile(player_id=request.player_id, kyc=user_pb2.KYC_VERIFIED)

    async def CheckSession(self, request: user_pb2.CheckSessionRequest, context: Any) -> user_pb2.Session:
        """Sessions are named by who has them: `of finance`, `of viewer`."""
        _, _, role = request.session_id.partition("of ")
        if not role:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "the session has ended, sign in again")
        return user_pb2.Session(session_id=request.session_id, player_id=f"staff-{role}", roles=[role])

    async def ready(self) -> None:
        pass


@asynccontextmanager
async def payment(
    wallets: Wallets,
    user: Channel | None = None,
    offer: Callable[[Outgoing], None] = lambda _: None,
    wait: bool = True,
    port: int = 0,
) -> AsyncIterator[Channel]:
    """Payment on these wallets, which asks `user`; `offer` is told of failed payments."""
    async with AsyncExitStack() as stack:
        if user is None:
            anybody = Anybody()  # type: ignore[abstract]
            user = await stack.enter_async_context(
                serving(lambda it: add_UserServicer_to_server(anybody, it), anybody.ready, "reelback.v1.User")
            )
        log = AuditLog(wallets.database)
        stub = UserStub(user)
        servicer = Payment(wallets, Players(stub), Failures(wallets.database, offer), Staff(stub), log)

        def register(it: grpc.aio.Server) -> None:
            add_PaymentServicer_to_server(servicer, it)
            add_AuditServicer_to_server(Audit(log), it)

        yield await stack.enter_async_context(serving(register, wallets.ready, "reelback.v1.Payment", wait, port))


async def signed_in_as(user: UserAsyncStub, role: str) -> str:
    """A session of somebody with this role, who registers for it unless that is done."""
    email, password = STAFF[role], "correct horse"
    with suppress(grpc.aio.AioRpcError):
        profile = await user.Register(user_pb2.RegisterRequest(email=email, password=password, display_name=role))
        code = email_code(TOKEN, profile.player_id, profile.email)
        await user.VerifyEmail(user_pb2.VerifyEmailRequest(player_id=profile.player_id, code=code))
    session = await user.SignIn(user_pb2.SignInRequest(email=email, password=password, address=secrets.token_hex(8)))
    return str(session.session_id)


@asynccontextmanager
async def game(
    rounds: Rounds, payment: Channel, seed: int, offer: Callable[[Outgoing], None] = lambda _: None
) -> AsyncIterator[Channel]:
    """Game whose reels stop as the seed says; `offer` is told of settled rounds."""
    table = Table(CLASSIC, Random(seed), rounds, PaymentStub(payment), offer)
    servicer = Game(CLASSIC, table)
    async with serving(
        lambda it: add_GameServicer_to_server(servicer, it), rounds.ready, "reelback.v1.Game"
    ) as channel:
        yield channel


@asynccontextmanager
async def user(
    accounts: Accounts,
    redis_url: str,
    lifetime: timedelta = timedelta(hours=1),
    offer: Callable[[Outgoing], None] = lambda _: None,
    wait: bool = True,
) -> AsyncIterator[Channel]:
    """User with sessions that last so long; `offer` is told of changed accounts."""
    async with redis.connect(redis_url) as cache:
        sessions = Sessions(cache, lifetime)
        log = AuditLog(accounts.database)
        servicer = User(accounts, sessions, Attempts(cache), log, email_secret=TOKEN, staff=STAFF_LISTS, offer=offer)

        def register(it: grpc.aio.Server) -> None:
            add_UserServicer_to_server(servicer, it)
            add_AuditServicer_to_server(Audit(log), it)

        async def ready() -> None:
            await accounts.ready()
            await sessions.ready()

        async with serving(register, ready, "reelback.v1.User", wait) as channel:
            yield channel
