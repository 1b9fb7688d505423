"""From an event to a mail in the mailbox, whatever goes wrong in between."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from reelback.v1 import payment_pb2, user_pb2
from reelback_notification.failures import Refused
from reelback_notification.mail import Mailer
from reelback_notification.messages import Channel
from reelback_notification.store import State, Store
from reelback_notification.texts import Text

from tests.unit.common.waiting import until
from tests.unit.notification import events
from tests.unit.notification.conftest import Platform
from tests.unit.notification.post import Post

MAIL = (Channel.EMAIL,)


async def arrived(platform: Platform, address: str, count: int = 1) -> None:
    async def there() -> bool:
        return len(platform.post.to(address)) >= count

    await until(there)


async def test_an_event_is_one_mail_however_often_it_comes(platform: Platform) -> None:
    player_id, email = await platform.player()
    event = events.deposit(player_id, 1234, "r1")
    async with platform.running(MAIL) as intake:
        await asyncio.gather(*(intake.handle(event) for _ in range(5)))
        sent = await platform.settled(f"{player_id}/r1:email", State.SENT)
        await intake.handle(event)  # a consumer that lost its offset
        await until(platform.nothing_waits)
    (mail,) = platform.post.to(email)
    assert mail.subject == "Your deposit of 12.34 EUR has arrived"
    assert "Hello Ada <b>,\n" in platform.post.text(mail)
    assert (sent["attempts"], sent["reason"]) == (1, "")
    assert await platform.database["messages"].count_documents({}) == 1


async def test_consent_and_choice_are_honoured(platform: Platform) -> None:
    keen, keen_email = await platform.player(marketing=True)
    reserved, reserved_email = await platform.player()
    silent, silent_email = await platform.player(email=False, marketing=True)
    async with platform.running(MAIL) as intake:
        for player_id in (keen, reserved, silent):
            await intake.handle(events.round_settled(player_id, 100, 6000))
            await intake.handle(events.registered(player_id))
        await arrived(platform, keen_email, 2)
        await arrived(platform, reserved_email)
        await until(platform.nothing_waits)
    assert {mail.subject for mail in platform.post.to(keen_email)} == {"A big win: 60.00 EUR", "Welcome to Reelback"}
    assert [mail.subject for mail in platform.post.to(reserved_email)] == ["Welcome to Reelback"]
    assert platform.post.to(silent_email) == []


async def test_an_address_gets_the_code_and_nothing_else_until_that_comes_back(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    player_id, email = await platform.player(verified=False)
    async with platform.running(MAIL) as intake:
        await intake.handle(events.deposit(player_id, request_id="early"))
        early = await platform.settled(f"{player_id}/early:email", State.FAILED)
        await intake.handle(events.registered(player_id))
        await arrived(platform, email)
        for _ in range(3):
            await intake.send_code(player_id)
        await arrived(platform, email, 2)
        await until(platform.nothing_waits)
        first, again = platform.post.to(email)
        codes = [re.findall(r"[A-Z2-7]{16}", platform.post.text(mail)) for mail in (first, again)]
        assert codes[0] == codes[1]
        await platform.user.VerifyEmail(user_pb2.VerifyEmailRequest(player_id=player_id, code=codes[0][0]))
        await intake.handle(events.deposit(player_id, request_id="late"))
        await arrived(platform, email, 3)
    assert (early["reason"], early["attempts"]) == ("the address is not verified", 1)
    assert "cannot be delivered" not in caplog.text  # which is nobody's failure


async def test_a_mailbox_that_is_away_gets_everything_when_it_comes(
    platform: Platform, caplog: pytest.LogCaptureFixture
) -> None:
    players = [await platform.player() for _ in range(6)]
    platform.post.close()
    async with platform.running(MAIL) as intake:
        for player_id, _ in players:
            await intake.handle(events.deposit(player_id))

        async def given_up() -> bool:
            return "the provider does not work" in caplog.text

        await until(given_up)
        await platform.post.open()
        for _, email in players:
            await arrived(platform, email)
        await until(platform.nothing_waits)
    assert len(platform.post.inbox.newest()) == len(players)
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == 1  # one event in Sentry for an outage, not one for each message
    assert await platform.database["messages"].count_documents({"attempts": {"$gt": 1}})


async def test_who_refuses_stops_nobody_else(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    refusing, address = await platform.player("refuse.invalid")
    busy, _ = await platform.player("busy.invalid")
    fine, email = await platform.player()
    async with platform.running(MAIL, attempts=3) as intake:
        for player_id in (refusing, busy, "nobody", fine):
            await intake.handle(events.deposit(player_id, request_id="r"))
        refused = await platform.settled(f"{refusing}/r:email", State.FAILED)
        unknown = await platform.settled("nobody/r:email", State.FAILED)
        given_up = await platform.settled(f"{busy}/r:email", State.FAILED)
        await arrived(platform, email)
    assert (refused["reason"], refused["attempts"]) == ("SMTP 550", 1)
    assert (unknown["reason"], unknown["attempts"]) == ("the player is not known", 1)
    assert (given_up["reason"], given_up["attempts"]) == ("SMTP 451", 3)
    assert "the provider does not work" not in caplog.text
    assert address not in caplog.text


async def test_a_batch_goes_over_one_connection(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    from aiosmtpd.smtp import SMTP

    connections = 0
    made = SMTP.connection_made

    def counted(self: SMTP, transport: asyncio.BaseTransport) -> None:
        nonlocal connections
        connections += 1
        made(self, transport)

    monkeypatch.setattr(SMTP, "connection_made", counted)
    player_id, email = await platform.player()
    async with platform.running(MAIL) as intake:
        await asyncio.gather(*(intake.handle(events.deposit(player_id)) for _ in range(20)))
        await arrived(platform, email, 20)
        await until(platform.nothing_waits)
    assert connections <= 3


async def test_two_senders_share_the_work(platform: Platform) -> None:
    player_id, email = await platform.player()
    async with platform.running(MAIL) as one, platform.running(MAIL) as other:
        for _ in range(15):
            await one.handle(events.deposit(player_id))
            await other.handle(events.deposit(player_id))
        await arrived(platform, email, 30)
        await until(platform.nothing_waits)
    assert len(platform.post.to(email)) == 30


async def test_what_another_has_reserved_is_left_to_it_until_it_is_dead(platform: Platform) -> None:
    player_id, email = await platform.player()
    dead = Store(platform.database)
    now = datetime.now(UTC)
    assert await dead.reserve(Channel.EMAIL, now, timedelta(seconds=2)) == now
    async with platform.running(MAIL) as intake:
        await intake.handle(events.deposit(player_id, request_id="r"))
        assert await platform.store.reserve(Channel.EMAIL, now, timedelta(seconds=2)) > now
        await platform.store.release(Channel.EMAIL)  # not ours
        await arrived(platform, email)
    assert datetime.now(UTC) - now > timedelta(seconds=2)


async def test_a_mail_that_is_sent_twice_can_be_told(platform: Platform) -> None:
    player_id, email = await platform.player()
    event = events.deposit(player_id, request_id="r")
    async with platform.running(MAIL) as intake:
        await intake.handle(event)
        await platform.settled(f"{player_id}/r:email", State.SENT)
        await platform.database["messages"].delete_one({})  # killed before it could be kept
        await intake.handle(event)
        await arrived(platform, email, 2)
    first, second = platform.post.to(email)
    assert first.message_id == second.message_id
    assert player_id not in first.message_id


async def test_a_password_goes_over_no_open_line(platform: Platform) -> None:
    player_id, _ = await platform.player()
    url = platform.post.url.replace("smtp://", "smtp://user:hunter2@")
    async with platform.running(MAIL, smtp_url=url) as intake:
        await intake.handle(events.deposit(player_id, request_id="r"))

        async def tried() -> bool:
            return bool((await platform.pending(f"{player_id}/r:email", Channel.EMAIL)).get("reason"))

        await until(tried)
    document = await platform.pending(f"{player_id}/r:email", Channel.EMAIL)
    assert "STARTTLS" in document["reason"]
    assert platform.post.inbox.newest() == []


async def test_a_server_that_says_nothing_is_not_waited_for(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reelback_notification.mail.TIMEOUT", 0.3)
    player_id, _ = await platform.player()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"smtp://127.0.0.1:{mute.getsockname()[1]}"
        async with platform.running(MAIL, smtp_url=url, attempts=2) as intake:
            await intake.handle(events.moved(player_id, payment_pb2.ENTRY_KIND_WITHDRAWAL, -5, "r"))
            failed = await platform.settled(f"{player_id}/r:email", State.FAILED)
    assert failed["reason"].startswith("no connection: Timed out")


async def test_a_store_that_comes_and_goes_costs_nothing(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    from pymongo.errors import AutoReconnect

    player_id, email = await platform.player()
    settle, failures = platform.store.settle, 0

    async def flaky(*outcomes: Any) -> None:
        nonlocal failures
        failures += 1
        if failures <= 2:
            raise AutoReconnect("away")
        await settle(*outcomes)

    monkeypatch.setattr(platform.store, "settle", flaky)
    async with platform.running(MAIL) as intake:
        await intake.handle(events.deposit(player_id, request_id="r"))
        await platform.settled(f"{player_id}/r:email", State.SENT)
    assert failures == 3
    assert len(platform.post.to(email)) == 1


@pytest.mark.parametrize(
    "address", ["=?utf-8?q?chief?=@example.com", "a(chief@example.com)b@example.com", "a@b@example.com"]
)
async def test_an_address_that_reads_as_another_gets_no_mail(post: Post, address: str) -> None:
    mailer = Mailer(post.url, "Reelback <no-reply@example.com>")
    with pytest.raises(Refused):
        await mailer.send("m", address, Text("A deposit", "text", "html"))
    await mailer.close()
    assert post.inbox.newest() == []
