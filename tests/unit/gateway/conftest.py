"""The gateway in front of the real services, all inside the test's process, reached over real sockets."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import user_pb2
from reelback.v1.analytics_pb2_grpc import AnalyticsStub, add_AnalyticsServicer_to_server
from reelback.v1.audit_pb2_grpc import AuditStub
from reelback.v1.game_pb2_grpc import GameStub
from reelback.v1.notification_pb2_grpc import NotificationStub, add_NotificationServicer_to_server
from reelback.v1.payment_pb2_grpc import PaymentStub
from reelback.v1.user_pb2_grpc import UserStub
from reelback_analytics.alerts import Alerts
from reelback_analytics.paytables import Paytables
from reelback_analytics.retention import Retention
from reelback_analytics.service import Analytics
from reelback_analytics.store import Tallies
from reelback_common import client, faults, redis
from reelback_common.client import Channel
from reelback_common.mongo import Document
from reelback_common.verification import email_code
from reelback_game.store import Rounds
from reelback_gateway import app
from reelback_gateway.backend import Backend, Office
from reelback_gateway.limits import Limiter
from reelback_gateway.tokens import Tokens
from reelback_notification.intake import Intake
from reelback_notification.messages import Channel as Way
from reelback_notification.service import Notification
from reelback_notification.store import Store
from reelback_payment.store import Wallets
from reelback_telemetry.asgi import instrument
from reelback_user.store import Accounts

from tests.unit import services
from tests.unit.common.ports import free_port

SECRET = "a secret of thirty-two characters"
ORIGIN = "https://play.example.com"


@dataclass
class Gateway:
    """A running gateway; `app` is the application inside, `backend` what stands behind it."""

    url: str
    app: FastAPI
    http: httpx2.AsyncClient
    backend: Backend
    _staff: dict[str, dict[str, str]] = field(default_factory=dict)

    async def player(self, email: str = "", name: str = "Ada") -> dict[str, str]:
        """The headers of a new player who is signed in, and whose address is verified if it is given."""
        account = {"email": email or f"{secrets.token_hex(6)}@example.com", "password": "correct horse"}
        made = await self.http.post("/api/v1/users", json={**account, "display_name": name})
        made.raise_for_status()
        if email:
            code = email_code(services.TOKEN, made.json()["player_id"], email)
            request = user_pb2.VerifyEmailRequest(player_id=made.json()["player_id"], code=code)
            await self.backend.user.VerifyEmail(request)
        answer = await self.http.post("/api/v1/sessions", json=account)
        return {"Authorization": f"Bearer {answer.json()['token']}"}

    async def staff(self, role: str) -> dict[str, str]:
        """The headers of a member of staff, the first time that it is asked for one of this role."""
        if role not in self._staff:
            self._staff[role] = await self.player(services.STAFF[role], role)
        return self._staff[role]


@asynccontextmanager
async def serve(backend: Backend, environment: str = "test") -> AsyncIterator[Gateway]:
    """The gateway on a free port."""
    application = app.create(backend, [ORIGIN], environment)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = uvicorn.Server(uvicorn.Config(instrument(application), log_config=None))
        task = asyncio.create_task(server.serve([listener]))
        try:
            async with httpx2.AsyncClient(base_url=url) as http:
                yield Gateway(url, application, http, backend)
        finally:
            server.should_exit = True
            await task


@asynccontextmanager
async def notified(store: Store | None) -> AsyncIterator[Channel]:
    """The notification service on a store; without one nobody answers."""
    if store is None:
        async with client.connect(f"ipv4:127.0.0.1:{free_port()}", ["reelback.v1.Notification"]) as channel:
            yield channel
        return
    servicer = Notification(store, Intake(store, [Way.EMAIL], lambda _: None))
    async with services.serving(
        lambda it: add_NotificationServicer_to_server(servicer, it), store.ready, "reelback.v1.Notification"
    ) as channel:
        yield channel


@asynccontextmanager
async def analysed(database: AsyncDatabase[Document]) -> AsyncIterator[Channel]:
    """The analytics service on a store; nothing is counted but what is put there."""
    tallies = Tallies(database)
    servicer = Analytics(tallies, Retention(database, tallies), Paytables(None), Alerts(database))  # type: ignore[arg-type]
    async with services.serving(
        lambda it: add_AnalyticsServicer_to_server(servicer, it), tallies.ping, "reelback.v1.Analytics"
    ) as channel:
        yield channel


@asynccontextmanager
async def platform(
    mongodb_url: str,
    redis_url: str,
    limits_url: str | None = None,
    *,
    per_player: int = 1000,
    passwords: int = 1000,
    notification: bool = True,
) -> AsyncIterator[Gateway]:
    """The whole platform, or without notification; the limits may have a Redis of their own."""
    async with (
        services.database(mongodb_url) as database,
        services.database(mongodb_url) as others,
        services.user(Accounts(others), redis_url) as user,
        analysed(others) as analytics,
        services.payment(Wallets(database), user) as payment,
        services.game(Rounds(database), payment, seed=4) as game,
        notified(Store(database) if notification else None) as notifying,
        redis.connect(limits_url or redis_url) as cache,
        serve(
            Backend(
                UserStub(user),
                GameStub(game),
                PaymentStub(payment),
                AnalyticsStub(analytics),
                NotificationStub(notifying),
                {},
                Tokens(SECRET),
                Limiter(cache, per_player, per_address=1000, passwords_per_address=passwords),
                Office(
                    UserStub(user), PaymentStub(payment), AnalyticsStub(analytics), AuditStub(user), AuditStub(payment)
                ),
            )
        ) as gateway,
    ):
        yield gateway


@pytest.fixture
async def gateway(mongodb_url: str, redis_url: str) -> AsyncIterator[Gateway]:
    async with platform(mongodb_url, redis_url) as running:
        yield running


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    """What is traced from now on, by everything in this process."""
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        provider = TracerProvider()
        trace.set_tracer_provider(provider)
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield exporter
    exporter.shutdown()


@pytest.fixture
def no_faults() -> Iterator[None]:
    yield
    faults.configure({})
