"""Preferences and the history over gRPC."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import StatusCode
from reelback.v1 import notification_pb2
from reelback.v1.notification_pb2_grpc import NotificationStub, add_NotificationServicer_to_server
from reelback_common import mongo
from reelback_notification.intake import Intake
from reelback_notification.messages import Channel
from reelback_notification.service import Notification
from reelback_notification.store import State, Store

from tests.unit import services
from tests.unit.common.ports import free_port
from tests.unit.notification import events
from tests.unit.notification.conftest import Platform

if TYPE_CHECKING:
    from reelback.v1.notification_pb2_grpc import NotificationAsyncStub

Asked = notification_pb2.GetPreferencesRequest
Listed = notification_pb2.ListMessagesRequest
Preferences = notification_pb2.Preferences


@pytest.fixture
async def notification(platform: Platform) -> AsyncIterator[NotificationAsyncStub]:
    servicer = Notification(platform.store, Intake(platform.store, [], lambda _: None))
    async with services.serving(
        lambda it: add_NotificationServicer_to_server(servicer, it), platform.store.ready, "reelback.v1.Notification"
    ) as channel:
        yield NotificationStub(channel)


async def refused(call: Any) -> tuple[StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_preferences_are_kept_and_have_defaults(notification: NotificationAsyncStub) -> None:
    assert await notification.GetPreferences(Asked(player_id="ada")) == Preferences(player_id="ada", email=True)
    chosen = Preferences(player_id="ada", sms=True, push=True, marketing=True, phone="+4930123456")
    assert await notification.SetPreferences(chosen) == chosen
    assert await notification.GetPreferences(Asked(player_id="ada")) == chosen
    nothing = Preferences(player_id="ada")
    assert await notification.SetPreferences(nothing) == nothing
    assert await notification.GetPreferences(Asked(player_id="ada")) == nothing


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("GetPreferences", Asked(), "player_id"),
        ("SetPreferences", Preferences(player_id="a b"), "player_id"),
        ("SetPreferences", Preferences(player_id="ada", phone="030 123"), "phone"),
        ("SetPreferences", Preferences(player_id="ada", sms=True), "phone"),
        ("ListMessages", Listed(), "player_id"),
        ("ListMessages", Listed(player_id="ada", limit=-1), "limit"),
        ("ListMessages", Listed(player_id="ada", limit=501), "limit"),
    ],
)
async def test_bad_requests_name_the_field(
    notification: NotificationAsyncStub, method: str, request_: Any, field: str
) -> None:
    code, details = await refused(getattr(notification, method)(request_))
    assert code is StatusCode.INVALID_ARGUMENT
    assert details.startswith(f"{field}: ")


async def test_a_players_messages_and_what_became_of_them(
    platform: Platform, notification: NotificationAsyncStub
) -> None:
    player_id, _ = await platform.player("refuse.invalid", push=True)
    platform.receiver.status = 500
    async with platform.running((Channel.EMAIL, Channel.PUSH, Channel.ALERTS)) as intake:
        await intake.handle(events.registered(player_id))
        alert = events.alert("velocity", 1)
        alert.player_id = player_id
        await intake.handle(alert)
        await platform.settled(f"{player_id}/registered:email", State.FAILED)
        listed = (await notification.ListMessages(Listed(player_id=player_id))).messages
    assert {(m.message_id, m.template, m.channel, m.state) for m in listed} == {
        (f"{player_id}/registered:email", "welcome", "email", notification_pb2.Message.FAILED),
        (f"{player_id}/registered:push", "welcome", "push", notification_pb2.Message.PENDING),
    }
    assert len((await notification.ListMessages(Listed(player_id=player_id, limit=1))).messages) == 1
    assert (await notification.ListMessages(Listed(player_id="nobody"))).messages == []


async def test_a_store_that_is_away_is_said_and_not_explained() -> None:
    database = mongo.connect(f"mongodb://127.0.0.1:{free_port()}", "nowhere")
    store = Store(database)
    servicer = Notification(store, Intake(store, [], lambda _: None))
    try:
        async with services.serving(
            lambda it: add_NotificationServicer_to_server(servicer, it), store.ready, "reelback.v1.Notification", False
        ) as channel:
            code, details = await refused(NotificationStub(channel).GetPreferences(Asked(player_id="ada")))
            assert (code, details) == (StatusCode.UNAVAILABLE, "a store does not answer, try again")
            assert not await services.is_ready(channel)
    finally:
        await database.client.close()
