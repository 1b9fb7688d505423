"""The process, with a real broker: events in, mail out, whatever happens to it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from reelback.v1 import events_pb2, notification_pb2, payment_pb2, user_pb2
from reelback.v1.notification_pb2_grpc import NotificationStub
from reelback.v1.user_pb2_grpc import UserStub, add_UserServicer_to_server
from reelback_common import client, kafka, redis, server, settings
from reelback_common.events import DEAD_LETTERS
from reelback_common.settings import ServiceSettings
from reelback_common.staff.audit import AuditLog
from reelback_common.verification import email_code
from reelback_notification.__main__ import Settings
from reelback_user.attempts import Attempts
from reelback_user.service import User
from reelback_user.store import Accounts, Sessions

from tests.unit import services
from tests.unit.common import collector as collecting
from tests.unit.common.kafka_parts import read_all
from tests.unit.common.ports import free_port
from tests.unit.common.waiting import until
from tests.unit.notification import events
from tests.unit.notification.post import Post
from tests.unit.notification.receiver import SECRET

TRACE = "0123456789abcdef0123456789abcdef"


@dataclass
class World:
    """What notification finds around it; `variables` lead there."""

    post: Post
    variables: dict[str, str]
    user: Any

    async def player(self, domain: str = "players.example") -> tuple[str, str]:
        email = f"{os.urandom(6).hex()}@{domain}"
        request = user_pb2.RegisterRequest(email=email, password="correct horse", display_name="Ada")
        player_id = (await self.user.Register(request)).player_id
        code = email_code(services.TOKEN, player_id, email)
        await self.user.VerifyEmail(user_pb2.VerifyEmailRequest(player_id=player_id, code=code))
        return player_id, email

    async def publish(self, topic: str, *records: events_pb2.Event | bytes) -> None:
        url = self.variables["KAFKA_URL"]
        kafka.create_topics(url, [topic])
        with kafka.Publisher(url) as publisher:
            await publisher.send(
                [
                    kafka.Record(topic, b"p", record, [])
                    if isinstance(record, bytes)
                    else kafka.Record(
                        topic,
                        record.player_id.encode(),
                        record.SerializeToString(),
                        [("traceparent", f"00-{TRACE}-0123456789abcdef-01".encode())],
                    )
                    for record in records
                ]
            )


@pytest.fixture
async def world(mongodb_url: str, redis_url: str, kafka_url: str, post: Post) -> AsyncIterator[World]:
    async with services.database(mongodb_url) as database, redis.connect(redis_url) as cache:
        accounts = Accounts(database)
        sessions = Sessions(cache, timedelta(hours=1))
        servicer = User(
            accounts,
            sessions,
            Attempts(cache),
            AuditLog(database),
            email_secret=services.TOKEN,
            staff={},
            offer=lambda _: None,
        )
        running = server.Server(
            ServiceSettings(port=0, metrics_port=0),
            lambda it: add_UserServicer_to_server(servicer, it),
            accounts.ready,
            ["reelback.v1.User"],
        )
        target = f"ipv4:127.0.0.1:{await running.start()}"
        try:
            async with client.connect(target) as channel:
                await until(lambda: services.is_ready(channel))
                variables = {
                    "PORT": str(free_port()),
                    "METRICS_PORT": "0",
                    "MONGODB_URL": mongodb_url,
                    "KAFKA_URL": kafka_url,
                    "SMTP_URL": post.url,
                    "USER_TARGET": target,
                    "WEBHOOK_SECRET": SECRET,
                    "EMAIL_SECRET": services.TOKEN,
                }
                yield World(post, variables, UserStub(channel))
        finally:
            await running.stop()


@contextmanager
def process(variables: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", "reelback_notification"], env={**os.environ, **variables}, stdout=out, stderr=out
        )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@asynccontextmanager
async def connected(world: World) -> AsyncIterator[client.Channel]:
    async with client.connect(f"ipv4:127.0.0.1:{world.variables['PORT']}", deadline=40) as channel:
        yield channel


async def test_poison_goes_to_the_dead_letters_and_the_next_event_goes_on_in_its_trace(
    world: World, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    player_id, email = await world.player()
    refusing, _ = await world.player("refuse.invalid")
    unknown = events.moved(player_id, payment_pb2.ENTRY_KIND_UNSPECIFIED, 5, "poison")
    garbage = b"\xff\xff" + player_id.encode()  # the broker has letters of other tests, too
    with collecting.running() as collector, process({**world.variables, "SENTRY_DSN": collector.dsn}, log) as running:
        await world.publish(
            "payments",
            events.deposit(player_id, 100, "before"),
            unknown,
            garbage,
            events.deposit(refusing, 100, "refused"),
            events.deposit(player_id, 200, "after"),
        )

        async def both() -> bool:
            assert running.poll() is None, log.read_text()
            return len(world.post.to(email)) == 2

        await until(both, 40)
        async with connected(world) as channel:
            stub: Any = NotificationStub(channel)

            async def over() -> bool:
                listed = await stub.ListMessages(notification_pb2.ListMessagesRequest(player_id=refusing))
                return [message.state for message in listed.messages] == [notification_pb2.Message.FAILED]

            await until(over)
        running.terminate()
        assert await asyncio.to_thread(running.wait, 20) == 0
        spans = collector.trace(TRACE)
        sent = [span for span in spans if span.name == "send email"]
        received = {span.span_id for span in spans if span.kind == 5}
        assert len(sent) == 3
        assert {span.parent_id for span in sent} <= received  # each continues the request in which its event came
        assert sum(span.name == "reelback.v1.User/GetProfile" for span in spans) == 3
        leaked = [item for item in collector.items if email in str(item)] + [s for s in spans if email in str(s)]
        assert leaked == []
    letters = await asyncio.to_thread(read_all, world.variables["KAFKA_URL"], DEAD_LETTERS, 1000, 3)
    reasons = [
        str(dict(letter.headers() or [])["dead-letter-reason"])
        for letter in letters
        if letter.value() in (unknown.SerializeToString(), garbage)
    ]
    assert sorted(reasons) == [
        "b'Poison: entry: kind 0 with an amount of 5 is not known'",
        "b'Poison: the bytes are no Event'",
    ]
    said = log.read_text()
    assert "SMS_WEBHOOK_URL is empty" in said
    assert "cannot be delivered: SMTP 550" in said
    assert email not in said
    assert "refuse.invalid" not in said


async def test_killed_at_work_and_every_mail_arrives(world: World, tmp_path: Path) -> None:
    log = tmp_path / "log"
    player_id, email = await world.player()
    count = 120
    await world.publish("payments", *(events.deposit(player_id, number + 1, f"r{number}") for number in range(count)))

    async def at_work() -> bool:
        assert running.poll() is None, log.read_text()
        return len(world.post.to(email)) > 20

    async def all_there() -> bool:
        assert running.poll() is None, log.read_text()
        return len({mail.message_id for mail in world.post.to(email)}) == count

    with process(world.variables, log) as running:
        await until(at_work, 40)
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert len(world.post.to(email)) < count
    with process(world.variables, log) as running:
        await until(all_there, 60)
        running.terminate()
        assert await asyncio.to_thread(running.wait, 20) == 0
    # Twice went out at most what was being sent when it died, and these mails can be told by their Message-ID.
    assert len(world.post.to(email)) <= count + 50


async def test_it_comes_up_without_anybody_and_says_so(world: World, tmp_path: Path) -> None:
    log = tmp_path / "log"
    nowhere = f"127.0.0.1:{free_port()}"
    away = {"KAFKA_URL": f"kafka://{nowhere}", "SMTP_URL": f"smtp://{nowhere}", "USER_TARGET": f"ipv4:{nowhere}"}
    with process({**world.variables, **away}, log) as running:
        async with connected(world) as channel:
            health: Any = health_pb2_grpc.HealthStub(channel)

            async def status(service: str) -> int:
                answer = await health.Check(health_pb2.HealthCheckRequest(service=service), wait_for_ready=True)
                return int(answer.status)

            async def alive() -> bool:
                return await status("live") == health_pb2.HealthCheckResponse.SERVING

            async def said() -> bool:
                return "no broker answers" in log.read_text()

            await until(alive, 40)
            await until(said, 20)
            assert await status("") == health_pb2.HealthCheckResponse.NOT_SERVING
            stub: Any = NotificationStub(channel)
            assert (await stub.GetPreferences(notification_pb2.GetPreferencesRequest(player_id="ada"))).email
        running.terminate()
        assert await asyncio.to_thread(running.wait, 20) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_URL", "http://mail.example.com"),
        ("SMTP_URL", "smtp://"),
        ("SMTP_URL", "smtp://user:hunter2@mail.example.com:port"),
        ("MAIL_FROM", "nobody"),
        ("SMS_WEBHOOK_URL", "ftp://sms.example.com"),
        ("ALERTS_WEBHOOK_URL", "slack"),
        ("WEBHOOK_SECRET", "hunter2"),
    ],
)
def test_bad_variables_are_refused_by_name(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    variables = {
        "PORT": "0",
        "METRICS_PORT": "0",
        "MONGODB_URL": "mongodb://127.0.0.1",
        "KAFKA_URL": "kafka://127.0.0.1:9092",
        "SMTP_URL": "smtp://127.0.0.1",
        "USER_TARGET": "ipv4:127.0.0.1:1",
        "WEBHOOK_SECRET": SECRET,
        "EMAIL_SECRET": services.TOKEN,
        name: value,
    }
    for variable, content in variables.items():
        monkeypatch.setenv(variable, content)
    with pytest.raises(SystemExit) as ended:
        settings.load(Settings)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"{name}: ")
    assert "hunter2" not in line
