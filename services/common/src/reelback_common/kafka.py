"""Kafka: connection properties from KAFKA_URL, missing topics, and sending that is acknowledged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, NamedTuple, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pydantic import AfterValidator
from pymongo.errors import PyMongoError

PARTITIONS = 3
"""Of a topic that is created here; replication is the broker's default."""

REQUEST_SECONDS = 3.0
"""How long a question to the brokers is waited for."""

DELIVERY_SECONDS = 10.0
"""How long the brokers have to acknowledge a record; long enough for one to be restarted."""

FIRST_PAUSE, MAX_PAUSE = 0.2, 5.0
"""Seconds between two attempts while something is away."""

PERMANENT = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD, KafkaError.INVALID_MSG})
"""What a broker says of a record that it will never take; everything else may pass."""

log = logging.getLogger(__name__)
_client_log = logging.getLogger("librdkafka")


class Record(NamedTuple):
    """What is sent: records of the same key stay in order."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, str | bytes | None]]


def properties(kafka_url: str) -> dict[str, Any]:
    """What every client of librdkafka is given for `kafka://[user:password@]host:port[,...][?property=value&...]`.

    A parameter of the URL is a property of librdkafka, and wins over the ones set here. ValueError for another URL.
    """
    url = urlsplit(kafka_url)
    credentials, _, servers = url.netloc.rpartition("@")
    if url.scheme != "kafka" or not servers or url.path.strip("/"):
        raise ValueError("not kafka://host:port[,host:port]")
    found: dict[str, Any] = {
        "bootstrap.servers": servers,
        "reconnect.backoff.ms": 500,
        "reconnect.backoff.max.ms": 1000,
        "logger": _client_log,
    }
    if credentials:
        user, _, password = credentials.partition(":")
        found |= {"sasl.username": unquote(user), "sasl.password": unquote(password)}
    return found | dict(parse_qsl(url.query, keep_blank_values=True))


def _accepted(kafka_url: str) -> str:
    try:
        AdminClient(properties(kafka_url))  # connects to nobody until it is asked something
    except KafkaException as error:
        raise ValueError(error.args[0].str()) from None
    return kafka_url


KafkaUrl = Annotated[str, AfterValidator(_accepted)]
"""For settings: a KAFKA_URL with an unknown property or a bad value is refused at the start."""


def create_topics(kafka_url: str, topics: Sequence[str]) -> None:
    """Create those that are missing, or say that this is not allowed, and go on. Blocks.

    KafkaException when no broker answers within seconds.
    """
    admin = AdminClient(properties(kafka_url))
    known = admin.list_topics(timeout=REQUEST_SECONDS).topics
    missing = [NewTopic(topic, PARTITIONS, -1) for topic in topics if topic not in known]
    if not missing:
        return
    for topic, created in admin.create_topics(missing, request_timeout=REQUEST_SECONDS).items():
        try:
            created.result()
        except KafkaException as error:
            problem = error.args[0]
            if problem.code() == KafkaError.TOPIC_ALREADY_EXISTS:
                continue
            if problem.retriable() or problem.code() < 0:  # the broker is away; it has not refused
                raise
            log.warning("topic %s is not created: %s", topic, problem.str())


class Outage:
    """What to do while the brokers, or whatever else is needed, are away: say so once, and wait longer each time."""

    def __init__(self, log: logging.Logger, consequence: str) -> None:
        self._log = log
        self._consequence = consequence
        self.ended()

    def ended(self) -> None:
        """All is well (again)."""
        self._pause = FIRST_PAUSE
        self._said = ""

    async def wait(self, error: Exception) -> None:
        """Wait before the next attempt; at most MAX_PAUSE seconds."""
        if (problem := f"{type(error).__name__}: {error}") != self._said:
            # An outage is a warning here: the service works on. Anything else is a mistake, and becomes an event.
            level = logging.WARNING if isinstance(error, (KafkaException, PyMongoError)) else logging.ERROR
            self._log.log(level, "%s: %s", self._consequence, problem, exc_info=level >= logging.ERROR and error)
            self._said = problem
        await asyncio.sleep(self._pause)
        self._pause = min(2 * self._pause, MAX_PAUSE)


class Publisher:
    """An idempotent producer. Use it as a context manager: what it still holds at the end is dropped."""

    def __init__(self, kafka_url: str) -> None:
        self._failures: list[KafkaError] = []
        self._refused: list[Record] = []
        self._producer = Producer(
            {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "message.timeout.ms": int(DELIVERY_SECONDS * 1000),
                "queue.buffering.max.kbytes": 16 * 1024,
                "delivery.report.only.error": True,
                **properties(kafka_url),
            }
        )

    async def send(self, records: Sequence[Record]) -> list[Record]:
        """Send the records, and return when the brokers have acknowledged all of them but those that are returned:
        these they will never take.

        KafkaException when one was not acknowledged within DELIVERY_SECONDS; the others may have been. One call at a
        time.
        """
        self._failures.clear()
        self._refused = []
        for record in records:
            told = partial(self._delivered, record)
            try:
                self._producer.produce(record.topic, record.value, record.key, headers=record.headers, on_delivery=told)
            except KafkaException as error:
                self._delivered(record, error.args[0], None)
        # Flushing waits in the C library and also calls back; the limit is never reached, as every record has its own.
        left = await asyncio.to_thread(self._producer.flush, 2 * DELIVERY_SECONDS)
        if self._failures or left:
            raise KafkaException(self._failures[0] if self._failures else KafkaError(KafkaError._TIMED_OUT))
        return self._refused

    def _delivered(self, record: Record, error: KafkaError | None, _: Message | None) -> None:
        if error and error.code() in PERMANENT:
            self._refused.append(record)
        elif error:
            self._failures.append(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._producer.purge()  # also ends a flush that a cancelled `send` has left in its thread
