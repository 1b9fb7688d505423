"""Text messages, push and alerts as webhooks: signed (the receiver looks), repeated, and left alone in time."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest
from reelback_notification.messages import Channel
from reelback_notification.store import State

from tests.unit.common.waiting import until
from tests.unit.notification import events
from tests.unit.notification.conftest import Platform

PHONE = "+4930123456"
HOOKS = (Channel.SMS, Channel.PUSH)


async def posted(platform: Platform, count: int) -> None:
    async def there() -> bool:
        return len(platform.receiver.posts) >= count

    await until(there)


async def test_a_player_is_told_over_the_channels_they_chose(platform: Platform) -> None:
    player_id, _ = await platform.player(sms=True, push=True, phone=PHONE)
    async with platform.running(HOOKS) as intake:
        await intake.handle(events.deposit(player_id, request_id="r"))
        await platform.settled(f"{player_id}/r:sms", State.SENT)
        await platform.settled(f"{player_id}/r:push", State.SENT)
    text = "Your deposit of 10.00 EUR has arrived"
    assert dict(platform.receiver.posts) == {
        f"{player_id}/r:sms": {"message_id": f"{player_id}/r:sms", "to": PHONE, "text": f"Reelback: {text}"},
        f"{player_id}/r:push": {
            "message_id": f"{player_id}/r:push",
            "player_id": player_id,
            "title": "Reelback",
            "text": text,
        },
    }
    assert await platform.database["messages"].count_documents({}) == 2  # there was no lane for mail: no message
    stored = [repr(document) async for document in platform.database["messages"].find()]
    assert PHONE not in "".join(stored)


async def test_a_number_that_was_taken_back(platform: Platform) -> None:
    player_id, _ = await platform.player(sms=True, phone=PHONE)
    platform.receiver.status = 503
    async with platform.running(HOOKS) as intake:
        await intake.handle(events.deposit(player_id, request_id="r"))
        await posted(platform, 1)
        await platform.database["preferences"].delete_many({})
        failed = await platform.settled(f"{player_id}/r:sms", State.FAILED)
    assert failed["reason"] == "the player has no phone number any more"


@pytest.mark.parametrize("status", [500, 503, 408, 429])
async def test_what_may_pass_is_tried_again(platform: Platform, status: int) -> None:
    player_id, _ = await platform.player(push=True)
    platform.receiver.status = status
    async with platform.running(HOOKS) as intake:
        await intake.handle(events.deposit(player_id, request_id="r"))
        await posted(platform, 2)
        platform.receiver.status = 204
        sent = await platform.settled(f"{player_id}/r:push", State.SENT)
    assert sent["attempts"] == len(platform.receiver.posts)
    assert set(platform.receiver.ids) == {f"{player_id}/r:push"}


@pytest.mark.parametrize("status", [302, 400, 401, 404, 410])
async def test_what_will_not_pass_is_not(platform: Platform, status: int) -> None:
    player_id, _ = await platform.player(push=True)
    platform.receiver.status = status
    async with platform.running(HOOKS) as intake:
        await intake.handle(events.deposit(player_id, request_id="r"))
        failed = await platform.settled(f"{player_id}/r:push", State.FAILED)
    assert (failed["reason"], failed["attempts"]) == (f"HTTP {status}", 1)
    assert len(platform.receiver.posts) == 1


async def test_the_breaker_opens_and_closes_and_other_channels_go_on(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    player_id, email = await platform.player(push=True)
    platform.receiver.status = 500

    async def said(text: str) -> bool:
        return text in caplog.text

    async with platform.running((Channel.PUSH, Channel.EMAIL), seconds=1.5) as intake:
        for _ in range(10):
            await intake.handle(events.deposit(player_id))
        await until(lambda: said("push: the provider does not work, messages wait: HTTP 500"))
        opened = time.monotonic()
        tried = len(platform.receiver.posts)
        assert tried == 3

        async def mailed() -> bool:
            return len(platform.post.to(email)) == 10

        await until(mailed)
        await posted(platform, tried + 1)  # one is tried when the time is over, and fails: it opens again
        assert time.monotonic() - opened > 1
        platform.receiver.status = 200
        await until(lambda: said("push: the provider works again"))
        assert len(platform.receiver.posts) == tried + 2
        await until(platform.nothing_waits)
    assert set(platform.receiver.ids) == {
        d["_id"] async for d in platform.database["messages"].find({"channel": "push", "state": "sent"})
    }
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1


async def test_many_alerts_are_few(platform: Platform) -> None:
    async with platform.running((Channel.ALERTS,), quiet=2) as intake:
        await intake.handle(events.alert("velocity", 0))
        await posted(platform, 1)  # the first at once
        await asyncio.gather(*(intake.handle(events.alert("velocity", number)) for number in range(200)))
        await intake.handle(events.alert("impossible_luck", 7))
        await posted(platform, 3)
        await until(platform.nothing_waits)
    texts = [content["text"] for _, content in platform.receiver.posts]
    assert len(texts) == 3
    assert texts[0] == "CRITICAL velocity: 0 deposits in a minute, more than &lt;3&gt; (player p0)"
    assert texts[1].startswith("CRITICAL impossible_luck: 7 ")
    assert texts[2].startswith("CRITICAL velocity: ")
    assert texts[2].endswith("\n199 alerts of this rule since it was last told of; this is the newest.")
    assert await platform.database["messages"].count_documents({"state": "sent"}) == 201


async def test_alerts_wait_for_a_receiver_that_fails(platform: Platform) -> None:
    platform.receiver.status = 500
    async with platform.running((Channel.ALERTS,), quiet=0.2) as intake:
        await intake.handle(events.alert("velocity", 0))
        await posted(platform, 2)
        platform.receiver.status = 200
        await platform.settled("velocity/p0/1:alerts", State.SENT)


async def test_a_receiver_that_is_not_there_is_an_outage(platform: Platform) -> None:
    platform.receiver.url = "http://127.0.0.1:9/nobody"
    player_id, _ = await platform.player(push=True)
    async with platform.running(HOOKS, attempts=2) as intake:
        await intake.handle(events.deposit(player_id, request_id="r"))
        failed = await platform.settled(f"{player_id}/r:push", State.FAILED)
    assert failed["reason"] == "ConnectError"
