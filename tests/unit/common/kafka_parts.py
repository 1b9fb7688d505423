"""What the tests of events share: an outbox in memory, a consumer beside the test, a look into a topic."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from confluent_kafka import Consumer as RawConsumer
from confluent_kafka import KafkaException, Message
from reelback.v1 import events_pb2
from reelback_common import kafka
from reelback_common.consumer import Consumer
from reelback_common.events import Outgoing

from tests.unit.common.waiting import until


def new_name(what: str) -> str:
    """A name for a topic or a group that no other test has."""
    return f"{what}-{uuid.uuid4()}"


def outgoing(topic: str, player: str, number: int) -> Outgoing:
    """The event `number` of a player; its id is `player/number`."""
    event = events_pb2.Event(event_id=f"{player}/{number}", player_id=player)
    event.occurred_at.GetCurrentTime()
    return Outgoing(topic, event, {"note": "kept"})


class MemoryOutbox:
    """A store in memory: everything in it survives the relay."""

    def __init__(self) -> None:
        self.waiting: dict[str, Outgoing] = {}
        self.reads = 0
        self.away = False

    def put(self, *events: Outgoing) -> None:
        self.waiting.update({outgoing.event.event_id: outgoing for outgoing in events})

    async def unpublished(self, limit: int) -> Sequence[Outgoing]:
        self.reads += 1
        if self.away:
            raise ConnectionError("the store is away")
        return list(self.waiting.values())[:limit]

    async def published(self, sent: Sequence[Outgoing]) -> None:
        for outgoing in sent:
            self.waiting.pop(outgoing.event.event_id, None)


@asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[asyncio.Task[None]]:
    """The work as a task, cancelled at the end, which has a limit; what it raised is raised here."""
    task = asyncio.create_task(work)
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 15)


@asynccontextmanager
async def consuming(
    url: str,
    topics: Sequence[str],
    handle: Callable[[events_pb2.Event], Awaitable[None]],
    group: str = "",
) -> AsyncIterator[Consumer]:
    """A consumer that has joined its group; ConnectionError of the handler is retried."""
    consumer = Consumer(url, group or new_name("group"), topics, handle, retry=(ConnectionError,))
    async with beside(consumer.run()):
        await until(lambda: ready(consumer), 20)
        yield consumer


async def ready(consumer: Consumer) -> bool:
    try:
        await consumer.ready()
    except (RuntimeError, KafkaException):
        return False
    return True


def in_order(ids: Sequence[str]) -> bool:
    """Whether each player's events were seen first in their order."""
    last: dict[str, int] = {}
    for event_id in dict.fromkeys(ids):
        player, number = event_id.split("/")
        if int(number) <= last.get(player, -1):
            return False
        last[player] = int(number)
    return True


def read_all(url: str, topic: str, count: int, seconds: float = 10) -> list[Message]:
    """The first `count` messages of a topic; blocks."""
    consumer = RawConsumer({**kafka.properties(url), "group.id": new_name("reader"), "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        found = consumer.consume(count, seconds)
    finally:
        consumer.close()
    assert not [message.error() for message in found if message.error()]
    return found
