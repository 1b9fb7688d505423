"""What becomes of an account is told, in order, whoever is away or dies in between."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import StatusCode
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import events_pb2, user_pb2
from reelback.v1.user_pb2 import KYC_NONE, KYC_PENDING, KYC_REFUSED, KYC_VERIFIED
from reelback.v1.user_pb2_grpc import UserStub
from reelback_common.events import Outgoing
from reelback_common.mongo import Document
from reelback_common.outbox import Relay
from reelback_common.staff import roles
from reelback_user.events import TOPIC
from reelback_user.store import Accounts

from tests.unit import services
from tests.unit.common.kafka_parts import beside, consuming
from tests.unit.common.waiting import until

if TYPE_CHECKING:
    from reelback.v1.user_pb2_grpc import UserAsyncStub


@dataclass
class Office:
    """The user service, what lies beneath, and what it told."""

    user: UserAsyncStub
    accounts: Accounts
    told: list[Outgoing]
    session_id: str = ""

    async def register(self, email: str = "ada@example.com") -> str:
        request = user_pb2.RegisterRequest(email=email, password="correct horse", display_name="Ada")
        return (await self.user.Register(request)).player_id

    async def submit(self, player_id: str) -> user_pb2.Profile:
        return await self.user.SubmitKyc(user_pb2.SubmitKycRequest(player_id=player_id))

    async def decide(self, player_id: str, kyc: user_pb2.Kyc) -> user_pb2.Profile:
        self.session_id = self.session_id or await services.signed_in_as(self.user, roles.SUPPORT)
        request = user_pb2.DecideKycRequest(player_id=player_id, kyc=kyc, session_id=self.session_id)
        return await self.user.DecideKyc(request)

    async def through(self, player_id: str) -> None:
        """Refused once, then verified."""
        await self.submit(player_id)
        await self.decide(player_id, KYC_REFUSED)
        await self.submit(player_id)
        await self.decide(player_id, KYC_VERIFIED)


def expected(player_id: str) -> list[tuple[str, user_pb2.Kyc | None]]:
    """The events of a player who went through all that."""
    states = enumerate((KYC_PENDING, KYC_REFUSED, KYC_PENDING, KYC_VERIFIED), start=1)
    return [(f"{player_id}/registered", None), *((f"{player_id}/kyc/{number}", kyc) for number, kyc in states)]


def seen(events: list[events_pb2.Event], player_id: str) -> list[tuple[str, user_pb2.Kyc | None]]:
    return [
        (event.event_id, event.kyc_changed.kyc if event.HasField("kyc_changed") else None)
        for event in events
        if event.player_id == player_id
    ]


@pytest.fixture
async def database(mongodb_url: str) -> AsyncIterator[AsyncDatabase[Document]]:
    async with services.database(mongodb_url) as opened:
        yield opened


@pytest.fixture
async def office(database: AsyncDatabase[Document], redis_url: str) -> AsyncIterator[Office]:
    told: list[Outgoing] = []
    accounts = Accounts(database)
    async with services.user(accounts, redis_url, offer=told.append) as channel:
        yield Office(UserStub(channel), accounts, told)


async def refused(call: Any) -> tuple[StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_documents_have_their_states(office: Office) -> None:
    ada = await office.register()
    code, details = await refused(office.decide(ada, KYC_VERIFIED))
    assert (code, details) == (StatusCode.FAILED_PRECONDITION, "kyc: there is nothing to decide while it is none")
    assert (await office.submit(ada)).kyc == KYC_PENDING
    assert (await refused(office.submit(ada)))[0] is StatusCode.FAILED_PRECONDITION
    for _ in range(2):
        assert (await office.decide(ada, KYC_REFUSED)).kyc == KYC_REFUSED
    assert (await refused(office.decide(ada, KYC_VERIFIED)))[0] is StatusCode.FAILED_PRECONDITION
    await office.submit(ada)
    for _ in range(2):
        assert (await office.decide(ada, KYC_VERIFIED)).kyc == KYC_VERIFIED
    assert (await refused(office.decide(ada, KYC_REFUSED)))[0] is StatusCode.FAILED_PRECONDITION
    assert (await refused(office.submit(ada)))[0] is StatusCode.FAILED_PRECONDITION
    assert (await office.user.GetProfile(user_pb2.GetProfileRequest(player_id=ada))).kyc == KYC_VERIFIED
    for kyc in (KYC_NONE, KYC_PENDING, user_pb2.KYC_UNSPECIFIED):
        code, details = await refused(office.decide(ada, kyc))
        assert (code, details) == (StatusCode.INVALID_ARGUMENT, "kyc: a decision is KYC_VERIFIED or KYC_REFUSED")
    assert (await refused(office.submit("nobody")))[0] is StatusCode.NOT_FOUND
    assert (await refused(office.decide("nobody", KYC_VERIFIED)))[0] is StatusCode.NOT_FOUND
    assert seen([outgoing.event for outgoing in office.told], ada) == expected(ada)


async def test_of_two_decisions_at_once_one_holds(office: Office) -> None:
    ada = await office.register()
    await office.submit(ada)
    office.session_id = await services.signed_in_as(office.user, roles.SUPPORT)
    answers = await asyncio.gather(
        *(office.decide(ada, kyc) for kyc in (KYC_VERIFIED, KYC_REFUSED) * 3), return_exceptions=True
    )
    given = {answer.kyc for answer in answers if isinstance(answer, user_pb2.Profile)}
    codes = {answer.code() for answer in answers if isinstance(answer, grpc.aio.AioRpcError)}
    assert len(given) == 1
    assert codes <= {StatusCode.ABORTED, StatusCode.FAILED_PRECONDITION}
    assert [event_id for event_id, _ in seen([outgoing.event for outgoing in office.told], ada)][2:] == [f"{ada}/kyc/2"]


async def test_the_outbox_has_what_was_told_until_it_is_published(office: Office) -> None:
    provider = trace.get_tracer_provider()
    if not isinstance(provider, TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    players = [await office.register(f"{name}@example.com") for name in ("ada", "bob")]
    for player_id in players:
        await office.through(player_id)
    waiting = await office.accounts.unpublished(100)
    assert {outgoing.event.event_id for outgoing in waiting} == {told.event.event_id for told in office.told}
    for player_id in players:
        assert seen([outgoing.event for outgoing in waiting], player_id) == expected(player_id)
    # Every copy is the same, with the trace of the request that caused it.
    assert sorted(waiting, key=lambda it: it.event.event_id) == sorted(office.told, key=lambda it: it.event.event_id)
    assert all(outgoing.headers["traceparent"] for outgoing in waiting)
    assert "example" not in str(waiting)

    first = await office.accounts.unpublished(3)
    assert first == waiting[:3]
    await office.accounts.published(first)
    left = await office.accounts.unpublished(100)
    for player_id in players:
        assert seen([outgoing.event for outgoing in [*first, *left]], player_id) == expected(player_id)
    await office.accounts.published(left)
    assert await office.accounts.unpublished(100) == []
    assert (await office.user.GetProfile(user_pb2.GetProfileRequest(player_id=players[0]))).kyc == KYC_VERIFIED


async def test_events_are_published_in_order_also_those_of_a_process_that_died(
    database: AsyncDatabase[Document], redis_url: str, kafka_url: str
) -> None:
    events: list[events_pb2.Event] = []

    async def handle(event: events_pb2.Event) -> None:
        if event.event_id not in [known.event_id for known in events]:
            events.append(event)

    accounts = Accounts(database)
    async with services.user(accounts, redis_url) as channel:  # nobody relays
        office = Office(UserStub(channel), accounts, [])
        ada = await office.register()
        await office.through(ada)
    relay = Relay(kafka_url, accounts, [TOPIC])
    async with (
        consuming(kafka_url, [TOPIC], handle),
        beside(relay.run()),
        services.user(accounts, redis_url, offer=relay.offer) as channel,
    ):
        office = Office(UserStub(channel), accounts, [])
        bob = await office.register("bob@example.com")
        await office.through(bob)

        async def all_there() -> bool:
            return all(len(seen(events, player_id)) == 5 for player_id in (ada, bob))

        async def marked() -> bool:
            return not await accounts.unpublished(1)

        await until(all_there, 30)
        await until(marked)
    for player_id in (ada, bob):
        assert seen(events, player_id) == expected(player_id)


DEAD_RELAY = """
import asyncio
from reelback_common import settings
from reelback_common.outbox import Relay
from reelback_user import __main__ as process

async def run(self):
    raise RuntimeError("the relay is dead")

Relay.run = run
asyncio.run(process.serve(settings.load(process.Settings)))
"""


def test_a_relay_that_dies_takes_the_process_with_it(mongodb_url: str, redis_url: str) -> None:
    own = {"PORT": "0", "METRICS_PORT": "0", "MONGODB_URL": mongodb_url, "KAFKA_URL": "kafka://127.0.0.1:1"}
    ended = subprocess.run(
        [sys.executable, "-c", DEAD_RELAY],
        env={
            **os.environ,
            **own,
            "REDIS_URL": redis_url,
            "STAFF_TOKEN": services.TOKEN,
            "EMAIL_SECRET": services.TOKEN,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "the relay is dead" in ended.stderr
