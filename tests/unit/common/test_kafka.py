"""KAFKA_URL, and the topics that are missing."""

from __future__ import annotations

import time
import uuid

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from pydantic import TypeAdapter, ValidationError
from reelback.v1 import events_pb2
from reelback_common import events, kafka


def test_a_url_says_where_and_who_and_any_property() -> None:
    found = kafka.properties(
        "kafka://ann:p%40ss%2Fword@h1:9093,h2:9093?security.protocol=SASL_SSL&sasl.mechanism=PLAIN&linger.ms=0"
    )
    assert (
        found
        | {
            "bootstrap.servers": "h1:9093,h2:9093",
            "sasl.username": "ann",
            "sasl.password": "p@ss/word",
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "linger.ms": "0",
        }
        == found
    )
    assert "sasl.username" not in kafka.properties("kafka://h1:9092")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://h:1", "not kafka://"),
        ("kafka://", "not kafka://"),
        ("kafka://h:1/topic", "not kafka://"),
        ("kafka://h:1?security.protocl=SSL", 'No such configuration property: "security.protocl"'),
        ("kafka://ann:secret@h:1?security.protocol=SASL", "security.protocol"),
        ("kafka://ann:secret@h:1?security.protocol=SASL_SSL&sasl.mechanism=NONE", "mechanism"),
    ],
)
def test_a_bad_url_is_refused_with_its_reason_and_without_its_password(url: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as refused:
        TypeAdapter(kafka.KafkaUrl).validate_python(url)
    assert "secret" not in refused.value.errors()[0]["msg"]


def test_missing_topics_are_created_once(kafka_url: str) -> None:
    topic = f"bets-{uuid.uuid4()}"
    for _ in range(2):
        kafka.create_topics(kafka_url, [topic])
    found = AdminClient(kafka.properties(kafka_url)).list_topics(timeout=5).topics[topic]
    assert len(found.partitions) == kafka.PARTITIONS


def test_no_broker_is_said_within_seconds() -> None:
    started = time.monotonic()
    with pytest.raises(KafkaException, match="transport"):
        kafka.create_topics("kafka://127.0.0.1:1", ["bets"])
    assert time.monotonic() - started < 3 * kafka.REQUEST_SECONDS


def test_every_payload_has_its_topic() -> None:
    payloads = [field.name for field in events_pb2.Event.DESCRIPTOR.oneofs_by_name["payload"].fields]
    assert sorted(payload for topic in events.TOPICS.values() for payload in topic) == sorted(payloads)
