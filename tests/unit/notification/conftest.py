"""Notification inside the test's process: real store, real user service, real providers over real sockets."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import httpx2
import pytest
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import user_pb2
from reelback.v1.user_pb2_grpc import UserStub
from reelback_common.mongo import Document
from reelback_common.verification import email_code
from reelback_notification.breaker import Breaker
from reelback_notification.delivery import Retries
from reelback_notification.intake import Intake
from reelback_notification.lane import Lane
from reelback_notification.mail import Mailer
from reelback_notification.messages import Channel
from reelback_notification.preferences import Preferences
from reelback_notification.routes import Alerts, Email, Push, Route, Sms
from reelback_notification.store import State, Store
from reelback_notification.webhooks import Webhook
from reelback_user.store import Accounts

from tests.unit import services
from tests.unit.common.waiting import until
from tests.unit.notification.post import Post
from tests.unit.notification.receiver import SECRET, Receiver, listening

if TYPE_CHECKING:
    from reelback.v1.user_pb2_grpc import UserAsyncStub

SENDER = "Reelback <no-reply@reelback.example>"


@dataclass
class Platform:
    """What notification needs, and what it has done: mail in `post`, webhooks in `receiver`."""

    database: AsyncDatabase[Document]
    store: Store
    user: UserAsyncStub
    post: Post
    receiver: Receiver

    async def player(
        self, domain: str = "players.example", verified: bool = True, **choice: bool | str
    ) -> tuple[str, str]:
        """A new player who wants to hear this: their id and their address."""
        email = f"{secrets.token_hex(6)}@{domain}"
        request = user_pb2.RegisterRequest(email=email, password="correct horse", display_name="Ada <b>")
        player_id = (await self.user.Register(request)).player_id
        if verified:
            code = email_code(services.TOKEN, player_id, email)
            await self.user.VerifyEmail(user_pb2.VerifyEmailRequest(player_id=player_id, code=code))
        if choice:
            await self.store.set_preferences(Preferences(player_id, **choice))  # type: ignore[arg-type]
        return player_id, email

    @asynccontextmanager
    async def running(
        self,
        channels: tuple[Channel, ...] = tuple(Channel),
        attempts: int = 20,
        seconds: float = 0.3,
        smtp_url: str = "",
        quiet: float = 1,
    ) -> AsyncIterator[Intake]:
        """Lanes at work, and what takes events for them."""
        async with httpx2.AsyncClient(timeout=2) as http, asyncio.TaskGroup() as tasks:
            webhook = Webhook(http, self.receiver.url, SECRET)
            routes: dict[Channel, Route] = {
                Channel.EMAIL: Email(Mailer(smtp_url or self.post.url, SENDER), self.user, services.TOKEN),
                Channel.SMS: Sms(webhook, self.store),
                Channel.PUSH: Push(webhook),
                Channel.ALERTS: Alerts(webhook, self.store, timedelta(seconds=quiet)),
            }
            lanes = {
                channel: Lane(channel, routes[channel], self.store, Breaker(3, seconds), Retries(attempts, first=0.05))
                for channel in channels
            }
            for lane in lanes.values():
                tasks.create_task(lane.run())
            yield Intake(self.store, lanes, lambda channel: lanes[channel].wake())
            for lane in lanes.values():
                lane.end()

    async def pending(self, message_id: str, channel: Channel) -> Document:
        """The document of a message that waits."""
        document = await self.database[f"outgoing_{channel}"].find_one({"_id": message_id})
        assert document
        return document

    async def settled(self, message_id: str, expected: State) -> Document:
        """The document of a message once it is over."""
        found: Document | None = None

        async def over() -> bool:
            nonlocal found
            found = await self.database["messages"].find_one({"_id": message_id})
            return found is not None

        await until(over)
        assert found
        assert found["state"] == expected, found["reason"]
        return found

    async def nothing_waits(self) -> bool:
        counts = [await self.database[f"outgoing_{channel}"].count_documents({}) for channel in Channel]
        return not any(counts)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as it:
        yield it


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    it = Post()
    await it.open()
    yield it
    it.close()


@pytest.fixture
async def platform(mongodb_url: str, redis_url: str, post: Post, receiver: Receiver) -> AsyncIterator[Platform]:
    async with (
        services.database(mongodb_url) as accounts,
        services.database(mongodb_url) as database,
        services.user(Accounts(accounts), redis_url) as user,
    ):
        store = Store(database)
        await store.ready()
        yield Platform(database, store, UserStub(user), post, receiver)
