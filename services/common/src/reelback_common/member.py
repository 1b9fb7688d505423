"""A member of a group of Kafka consumers: what it is given, what of it is done, and how far it lags."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Container, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Self, TypeVar

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from prometheus_client import Gauge

from reelback_common import kafka

BATCH = 200
"""How many events are fetched at once, if there are as many."""

POLL_SECONDS = 0.5
"""How long the first event of a batch is waited for."""

ANSWER_SECONDS = 1.0
"""How long a broker has to answer, whether for the state of the service or for a figure."""

ASK_SECONDS, SILENCE_SECONDS = 10.0, 30.0
"""How long without an event a member asks the brokers whether they are there, and without an answer it is given up:
a new one has found brokers that an old one did not find again."""

LAG = Gauge("kafka_consumer_lag", "Events of a partition that are not processed yet", ["topic", "partition"])

T = TypeVar("T")

log = logging.getLogger("librdkafka")


class Member:
    """A consumer of librdkafka on a thread of its own: its calls block, and must not overlap.

    Partitions come and go only within `fetch`, hence never while a batch is being processed. Offsets are stored when
    their events are done; librdkafka commits what is stored every second, when a partition goes, and at the end.
    """

    def __init__(self, kafka_url: str, group: str, topics: Sequence[str]) -> None:
        self._topics = list(topics)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kafka")
        self._consumer = Consumer(
            {
                "group.id": group,
                "auto.offset.reset": "earliest",
                "enable.auto.offset.store": False,
                "auto.commit.interval.ms": 1000,
                "partition.assignment.strategy": "cooperative-sticky",
                "session.timeout.ms": 6000,  # a member that was killed keeps its partitions so long
                "heartbeat.interval.ms": 2000,
                "queued.min.messages": 1000,
                "queued.max.messages.kbytes": 4096,
                "fetch.max.bytes": 4 * 1024 * 1024,
                **kafka.properties(kafka_url),
            }
        )
        self._joined = False
        self._heard = time.monotonic()
        self._next: dict[tuple[str, int], int] = {}
        """The offset of the first event that is not done, of each partition this member has; negative: none is."""

    async def __aenter__(self) -> Self:
        subscribe = partial(
            self._consumer.subscribe, self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke
        )
        await self._call(subscribe)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Commit what is stored and leave the group."""
        await self._call(self._close)
        self._thread.shutdown(wait=False)

    async def ready(self) -> None:
        """Raise RuntimeError before the group has taken this member, KafkaException while no broker answers."""
        if not self._joined:
            raise RuntimeError("no partitions yet")
        await self._call(self._ask)

    async def fetch(self) -> list[Message]:
        """The next events; none when there are none for a moment. KafkaException: this member cannot go on."""
        return await self._call(self._fetch)

    async def finish(self, messages: Sequence[Message], done: Container[int]) -> None:
        """Say which of the fetched messages are done: of a partition, those before the first that is not stay done."""
        await self._call(partial(self._store, messages, done))

    async def ask_lag(self) -> None:
        """Measure the lag with what the brokers say now: while nothing is fetched, nothing else is heard of them."""
        with suppress(KafkaException):
            await self._call(partial(self._measure, cached=False))

    async def _call(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    def _ask(self) -> None:
        self._consumer.list_topics(self._topics[0], timeout=ANSWER_SECONDS)

    def _close(self) -> None:
        with suppress(KafkaException):
            self._ask()  # closing would wait much longer for a broker that does not answer
            self._consumer.close()

    def _fetch(self) -> list[Message]:
        first = self._consumer.poll(POLL_SECONDS)
        self._listen(first)
        found = [first, *self._consumer.consume(BATCH - 1, 0)] if first else []
        for error in filter(None, (message.error() for message in found)):
            if error.fatal():
                raise KafkaException(error)
            log.warning("%s", error.str())
        self._measure(cached=True)
        # A partition may have gone between the first event and the others.
        return [message for message in found if not message.error() and _partition(message) in self._next]

    def _listen(self, event: Message | None) -> None:
        """Notice when the brokers are silent. KafkaException: for too long."""
        silent = time.monotonic() - self._heard
        if event is None and silent < ASK_SECONDS:
            return
        try:
            if event is None:
                self._ask()
            self._heard = time.monotonic()
        except KafkaException:
            if silent > SILENCE_SECONDS:
                raise

    def _store(self, messages: Sequence[Message], done: Container[int]) -> None:
        open_partitions = set()
        moved = {}
        for place, message in enumerate(messages):
            partition = _partition(message)
            if place not in done:
                open_partitions.add(partition)
            elif partition not in open_partitions:
                moved[partition] = (message.offset() or 0) + 1
        self._next |= moved
        if moved:
            self._consumer.store_offsets(offsets=[TopicPartition(*at, offset) for at, offset in moved.items()])
        self._measure(cached=True)

    def _measure(self, cached: bool) -> None:
        for (topic, partition), offset in self._next.items():
            low, high = self._consumer.get_watermark_offsets(
                TopicPartition(topic, partition), timeout=ANSWER_SECONDS, cached=cached
            )
            if high >= 0:  # else it is not known yet
                LAG.labels(topic, partition).set(max(high - max(offset, low), 0))

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._joined = True
        self._next |= {(part.topic, part.partition): -1 for part in partitions}
        with suppress(KafkaException):  # then the lag is that of a group that has read nothing, until it has
            for part in consumer.committed(partitions, timeout=ANSWER_SECONDS) if partitions else ():
                self._next[part.topic, part.partition] = part.offset

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        for part in partitions:
            self._next.pop((part.topic, part.partition), None)
            with suppress(KeyError):
                LAG.remove(part.topic, part.partition)


def _partition(message: Message) -> tuple[str, int]:
    return message.topic() or "", message.partition() or 0
