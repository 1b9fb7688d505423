"""The services as real gRPC servers inside the test's process, each on an empty database of its own."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from random import Random
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import user_pb2, user_pb2_grpc
from reelback.v1.game_pb2_grpc import add_GameServicer_to_server
from reelback.v1.payment_pb2_grpc import PaymentStub, add_PaymentServicer_to_server
from reelback.v1.user_pb2_grpc import UserStub, add_UserServicer_to_server
from reelback_common import client, mongo, redis, server
from reelback_common.client import Channel
from reelback_common.events import Outgoing
from reelback_common.mongo import Document
from reelback_common.readiness import Ready
from reelback_common.settings import ServiceSettings
from reelback_game.service import Game
from reelback_game.slots import CLASSIC
from reelback_game.store import Rounds
from reelback_game.table import Table
from reelback_payment.failures import Failures
from reelback_payment.players import Players
from reelback_payment.service import Payment
from reelback_payment.store import Wallets
from reelback_user.attempts import Attempts
from reelback_user.service import User
from reelback_user.store import Accounts, Sessions

from tests.unit.common.waiting import until

TOKEN = "a token of at least thirty-two characters"
TESTER = "tester@example.com"
"""For whatever asks for one."""


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
        servicer = Payment(wallets, Players(UserStub(user)), Failures(wallets.database, offer))
        yield await stack.enter_async_context(
            serving(
                lambda it: add_PaymentServicer_to_server(servicer, it), wallets.ready, "reelback.v1.Payment", wait, port
            )
        )


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
        servicer = User(accounts, sessions, Attempts(cache), email_secret=TOKEN, testers=(TESTER,), offer=offer)

        async def ready() -> None:
            await accounts.ready()
            await sessions.ready()

        async with serving(
            lambda it: add_UserServicer_to_server(servicer, it), ready, "reelback.v1.User", wait
        ) as channel:
            yield channel
