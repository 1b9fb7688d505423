"""Consuming events: each inside a request of its own, committed after it has been processed.

What was not processed to its end comes again, and so may what was: handlers know the ids of the events they have seen.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from confluent_kafka import KafkaException, Message
from google.protobuf.message import DecodeError
from prometheus_client import Histogram
from reelback.v1 import events_pb2
from reelback_telemetry import scrubbing
from reelback_telemetry.context import set_player
from reelback_telemetry.messaging import processing

from reelback_common import kafka
from reelback_common.events import DEAD_LETTERS
from reelback_common.member import Member

PLAYERS = 16
"""How many players' events are processed at the same time."""

LAG_SECONDS = 5.0
"""How often the lag is asked for while a batch takes long."""

DRAIN_SECONDS = 5.0
"""How long events that are being processed may go on when the consumer ends."""

FIRST_PAUSE, MAX_PAUSE = 0.1, 5.0
"""Seconds between two attempts at an event."""

REASON_LENGTH, KEY_LENGTH = 500, 64
WHY = 6
"""Headers that a dead letter has of its own; they are its last."""

LETTER_BYTES = 256 * 1024
"""A larger event is buried without its value, key and headers: brokers take no letter that is larger than an event.
It can be read where it came from, as long as its topic keeps it."""

DURATION = Histogram(
    "messaging_process_duration_seconds", "How long processing an event took, with all attempts", ["topic", "outcome"]
)

log = logging.getLogger(__name__)


class Poison(Exception):
    """Raised by a handler: this event can never be processed. The text is the reason, without personal data."""


class Consumer:
    """Hands events to `handle`, as a member of the group `group`: one player's in order, several players' at once.

    An exception of the types `retry` says that a store is away: the event is tried again until it succeeds, and the
    player's later events wait. After any other exception the event goes to the dead letters.
    """

    def __init__(
        self,
        kafka_url: str,
        group: str,
        topics: Sequence[str],
        handle: Callable[[events_pb2.Event], Awaitable[None]],
        retry: tuple[type[Exception], ...],
    ) -> None:
        self._url = kafka_url
        self._group = group
        self._topics = topics
        self._handle = handle
        self._retry = retry
        self._member: Member | None = None
        self._unburied = 0

    async def run(self) -> None:
        """Consume until cancelled; while the broker is away, wait for it."""
        outage = kafka.Outage(log, "no events can be read")
        while True:
            try:
                await asyncio.to_thread(kafka.create_topics, self._url, [*self._topics, DEAD_LETTERS])
                outage.ended()
                async with Member(self._url, self._group, self._topics) as self._member:
                    while True:
                        await self._process(self._member, await self._member.fetch())
            except KafkaException as error:
                await outage.wait(error)
            finally:
                self._member = None

    async def ready(self) -> None:
        """Raise RuntimeError or KafkaException while no broker answers, the group has not taken this member yet, or it
        stands still because dead letters cannot be written."""
        if self._member is None:
            raise RuntimeError("no broker answers")
        if self._unburied:
            raise RuntimeError(f"{self._unburied} dead letters cannot be written")
        await self._member.ready()

    async def _process(self, member: Member, messages: Sequence[Message]) -> None:
        """Process a batch. Cancelled, let what has begun come to its end, for some seconds, and begin nothing more."""
        players: dict[bytes | None, list[int]] = {}
        for place, message in enumerate(messages):
            players.setdefault(message.key(), []).append(place)
        slots = asyncio.Semaphore(PLAYERS)
        ending = asyncio.Event()
        done: set[int] = set()
        dead: dict[int, kafka.Record] = {}

        async def in_order(places: Sequence[int]) -> None:
            async with slots:
                for place in places:
                    if ending.is_set():
                        return
                    if letter := await self._one(messages[place], ending):
                        dead[place] = letter
                    else:
                        done.add(place)

        working = {asyncio.create_task(in_order(places)) for places in players.values()}

        async def watched() -> None:
            """Until no task works any more; meanwhile the lag is measured."""
            nonlocal working
            while working:
                ended, working = await asyncio.wait(working, timeout=LAG_SECONDS)
                for task in ended:
                    task.result()
                if working:
                    await member.ask_lag()

        try:
            await watched()
            if dead:
                working = {asyncio.create_task(self._bury([*dead.values()]))}
                await watched()
                done.update(dead)
        except asyncio.CancelledError:
            ending.set()
            if working:
                await asyncio.wait(working, timeout=DRAIN_SECONDS)
            raise
        finally:
            for task in working:
                task.cancel()
            await asyncio.gather(*working, return_exceptions=True)
            if messages:
                await member.finish(messages, done)

    async def _one(self, message: Message, ending: asyncio.Event) -> kafka.Record | None:
        """Process an event; its dead letter if that cannot be done."""
        topic, started = message.topic() or "", time.perf_counter()
        partition, offset = message.partition() or 0, message.offset() or 0
        event_request = processing(topic, _headers(message), group=self._group, partition=partition, offset=offset)
        letter = None
        try:
            with event_request:
                set_player((message.key() or b"").decode(errors="replace")[:KEY_LENGTH])  # of a poison event, too
                event = _parse(message)
                set_player(event.player_id)
                await self._insist(event, ending)
        except Exception as error:
            letter = _dead_letter(message, self._group, error)
        outcome = "dead-letter" if letter else "processed"
        DURATION.labels(topic, outcome).observe(time.perf_counter() - started)
        return letter

    async def _insist(self, event: events_pb2.Event, ending: asyncio.Event) -> None:
        """Call the handler until its store answers. CancelledError when the consumer ends before."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._handle(event)
            except self._retry as error:
                if pause == FIRST_PAUSE:
                    log.warning("an event waits, as a store does not answer: %s", type(error).__name__)
            try:
                async with asyncio.timeout(pause):
                    await ending.wait()
            except TimeoutError:
                pause = min(2 * pause, MAX_PAUSE)
            else:
                raise asyncio.CancelledError

    async def _bury(self, letters: Sequence[kafka.Record]) -> None:
        """Send dead letters, and insist. One that no broker will ever take goes without what was in it; if that is
        not taken either, the log has it."""
        outage = kafka.Outage(log, "dead letters wait")
        try:
            while True:
                try:
                    with kafka.Publisher(self._url) as publisher:
                        for lost in await publisher.send([*map(_bare, await publisher.send(letters))]):
                            log.error("a dead letter is refused for ever: %s", dict(lost.headers))
                    return
                except KafkaException as error:
                    self._unburied = len(letters)
                    await outage.wait(error)
        finally:
            self._unburied = 0


def _parse(message: Message) -> events_pb2.Event:
    try:
        event = events_pb2.Event.FromString(message.value() or b"")
    except DecodeError:
        raise Poison("the bytes are no Event") from None
    if not event.event_id:
        raise Poison("the event has no event_id")
    return event


def _dead_letter(message: Message, group: str, error: Exception) -> kafka.Record:
    reason = scrubbing.text(f"{type(error).__name__}: {error}")[:REASON_LENGTH]
    headers = _headers(message)
    values = (message.key(), message.value(), *(value for _, value in headers))
    size = sum(len(value) for value in values if value) + sum(len(name) for name, _ in headers)
    why: list[tuple[str, str | bytes | None]] = [
        ("dead-letter-reason", reason),
        ("dead-letter-topic", message.topic()),
        ("dead-letter-partition", str(message.partition())),
        ("dead-letter-offset", str(message.offset())),
        ("dead-letter-size", str(size)),
        ("dead-letter-group", group),
    ]
    letter = kafka.Record(DEAD_LETTERS, message.key(), message.value(), [*headers, *why])
    return _bare(letter) if size > LETTER_BYTES else letter


def _bare(letter: kafka.Record) -> kafka.Record:
    """A dead letter that says where its event is and why, and nothing of what is in it."""
    return kafka.Record(letter.topic, None, None, letter.headers[-WHY:])


def _headers(message: Message) -> list[tuple[str, str | bytes | None]]:
    headers = message.headers() or []
    return list(headers.items()) if isinstance(headers, dict) else list(headers)
