"""What a consumer promises: order within a player, nothing lost, nothing committed before it is done."""

from __future__ import annotations

import asyncio
import secrets
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from prometheus_client import REGISTRY
from reelback.v1 import events_pb2
from reelback_common import kafka, member
from reelback_common.consumer import Consumer, Poison
from reelback_common.events import DEAD_LETTERS, Outgoing

from tests.unit.common.broker import Broker
from tests.unit.common.kafka_parts import beside, consuming, in_order, new_name, outgoing, read_all, ready
from tests.unit.common.waiting import until

PROGRAM = Path(__file__).with_name("consuming.py")


def record(outgoing: Outgoing) -> kafka.Record:
    event = outgoing.event
    return kafka.Record(outgoing.topic, event.player_id.encode(), event.SerializeToString(), [])


async def send(url: str, events: Iterable[Outgoing | kafka.Record]) -> None:
    """Put events, or bytes that are none, on their topics, in this order."""
    records = [record(event) if isinstance(event, Outgoing) else event for event in events]
    kafka.create_topics(url, sorted({record.topic for record in records}))
    with kafka.Publisher(url) as publisher:
        await publisher.send(records)


async def seen_by(seen: list[str], count: int) -> bool:
    return len(set(seen)) >= count


async def test_players_are_processed_at_once_and_each_in_order(kafka_url: str) -> None:
    topic, seen, busy, most = new_name("bets"), list[str](), set[str](), 0
    await send(kafka_url, [outgoing(topic, f"p{player}", number) for number in range(10) for player in range(8)])

    async def handle(event: events_pb2.Event) -> None:
        nonlocal most
        assert event.player_id not in busy
        busy.add(event.player_id)
        most = max(most, len(busy))
        await asyncio.sleep(0.002)
        busy.remove(event.player_id)
        seen.append(event.event_id)

    async with consuming(kafka_url, [topic], handle):
        await until(lambda: seen_by(seen, 80))
    assert len(seen) == 80
    assert in_order(seen)
    assert most > 4


async def test_what_cannot_be_processed_goes_to_the_dead_letters_with_the_reason_and_the_rest_goes_on(
    kafka_url: str,
) -> None:
    topic, group, seen = new_name("bets"), new_name("group"), list[str]()
    garbage = kafka.Record(topic, b"ann", b"\xff\xff no event", [("traceparent", b"00-1-2-01"), ("empty", None)])
    anonymous = kafka.Record(topic, b"ann", events_pb2.Event(player_id="ann").SerializeToString(), [])
    good = [outgoing(topic, player, number) for number in range(4) for player in ("ann", "bob")]
    await send(kafka_url, [good[0], garbage, anonymous, *good[1:]])

    async def handle(event: events_pb2.Event) -> None:
        if event.event_id == "ann/2":
            raise Poison("no such machine")
        if event.event_id == "bob/1":
            raise KeyError("password=hunter2")
        seen.append(event.event_id)

    found: dict[str, tuple[Message, dict[str, str]]] = {}

    async def buried() -> bool:
        for message in await asyncio.to_thread(read_all, kafka_url, DEAD_LETTERS, 1000, 1):
            headers = {
                name: value.decode() if isinstance(value, bytes) else ""
                for name, value in dict(message.headers() or {}).items()
            }
            if headers["dead-letter-group"] == group:
                found[headers["dead-letter-reason"]] = message, headers
        return len(found) == 4

    async with consuming(kafka_url, [topic], handle, group):
        await until(lambda: seen_by(seen, 6))
        await until(buried)
    assert sorted(seen) == ["ann/0", "ann/1", "ann/3", "bob/0", "bob/2", "bob/3"]
    assert sorted(found) == [
        "KeyError: 'password=[scrubbed]'",
        "Poison: no such machine",
        "Poison: the bytes are no Event",
        "Poison: the event has no event_id",
    ]
    message, headers = found["Poison: the bytes are no Event"]
    assert (message.key(), message.value()) == (garbage.key, garbage.value)
    assert (headers["traceparent"], headers["empty"]) == ("00-1-2-01", "")
    assert headers["dead-letter-topic"] == topic
    assert (int(headers["dead-letter-partition"]) in range(3), headers["dead-letter-offset"]) == (True, "1")


async def test_what_no_letter_can_hold_is_buried_without_its_value_and_holds_up_nobody(kafka_url: str) -> None:
    topic, group, seen = new_name("bets"), new_name("group"), list[str]()
    huge = kafka.Record(topic, b"ann", secrets.token_bytes(900_000), [("padding", b"x" * 50_000)])
    keyed = kafka.Record(topic, b"k" * 800_000, b"no event", [])
    good = [outgoing(topic, player, 1) for player in ("ann", "bob")]
    await send(kafka_url, [huge, keyed, *good])

    async def handle(event: events_pb2.Event) -> None:
        seen.append(event.event_id)

    found: list[tuple[Message, dict[str, Any]]] = []

    async def buried() -> bool:
        messages = await asyncio.to_thread(read_all, kafka_url, DEAD_LETTERS, 1000, 1)
        letters = [(message, dict(message.headers() or {})) for message in messages]
        found[:] = [letter for letter in letters if letter[1]["dead-letter-group"] == group.encode()]
        return len(found) == 2

    async with consuming(kafka_url, [topic], handle, group) as it:
        await until(lambda: seen_by(seen, 2))
        await until(buried)
        assert await ready(it)
    assert [(message.key(), message.value()) for message, _ in found] == [(None, None)] * 2
    assert {headers["dead-letter-topic"] for _, headers in found} == {topic.encode()}
    sizes = {int(headers["dead-letter-size"]) for _, headers in found}
    assert sizes == {900_000 + 50_000 + len("annpadding"), 800_000 + len(b"no event")}


async def test_a_letter_that_the_brokers_refuse_goes_without_what_was_in_it(
    kafka_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, letters, seen = new_name("bets"), new_name("dead-letters"), list[str]()
    monkeypatch.setattr("reelback_common.consumer.DEAD_LETTERS", letters)
    admin = AdminClient(kafka.properties(kafka_url))
    made = admin.create_topics([NewTopic(letters, 1, -1, config={"max.message.bytes": "1000"})])
    await asyncio.to_thread(made[letters].result)
    garbage = kafka.Record(topic, b"ann", b"\xff" * 1000, [("dead-letter-topic", b"a stranger's")])
    await send(kafka_url, [garbage, outgoing(topic, "ann", 1)])

    async def handle(event: events_pb2.Event) -> None:
        seen.append(event.event_id)

    async with consuming(kafka_url, [topic], handle):
        await until(lambda: seen_by(seen, 1))
        (letter,) = await asyncio.to_thread(read_all, kafka_url, letters, 1)
    headers: list[Any] = [*(letter.headers() or [])]
    assert (letter.key(), letter.value()) == (None, None)
    assert [name for name, _ in headers].count("dead-letter-topic") == 1
    assert {"dead-letter-topic": topic.encode(), "dead-letter-offset": b"0"}.items() <= dict(headers).items()


async def test_a_record_that_no_broker_takes_is_told_and_the_others_are_sent(kafka_url: str) -> None:
    topic = new_name("bets")
    kafka.create_topics(kafka_url, [topic])
    small, huge = (kafka.Record(topic, b"ann", b"x" * size, []) for size in (10, 2_000_000))
    with kafka.Publisher(kafka_url) as publisher:
        assert await publisher.send([small, huge, small]) == [huge]
        assert await publisher.send([small]) == []
    assert len(await asyncio.to_thread(read_all, kafka_url, topic, 4, 3)) == 3


async def test_a_store_that_is_away_holds_the_players_order_and_nobody_else(kafka_url: str) -> None:
    topic, seen, failures = new_name("bets"), list[str](), 0
    await send(kafka_url, [outgoing(topic, player, number) for number in range(3) for player in ("ann", "bob")])

    async def handle(event: events_pb2.Event) -> None:
        nonlocal failures
        if event.event_id == "ann/0" and failures < 3:
            failures += 1
            raise ConnectionError("away")
        seen.append(event.event_id)

    async with consuming(kafka_url, [topic], handle):
        await until(lambda: seen_by(seen, 6))
    assert failures == 3
    assert in_order(seen)
    assert seen[:3] == ["bob/0", "bob/1", "bob/2"]


async def test_what_waits_for_a_store_when_the_consumer_ends_comes_again(kafka_url: str) -> None:
    """Players whose events are in the same partition behind it have theirs processed meanwhile, but not committed."""
    topic, group, first, second = new_name("bets"), new_name("group"), list[str](), list[str]()
    players = ["ann", *(f"p{number}" for number in range(9))]
    await send(kafka_url, [outgoing(topic, player, number) for number in range(3) for player in players])

    async def away_for_ann(event: events_pb2.Event) -> None:
        first.append(event.event_id)
        if event.player_id == "ann":
            raise ConnectionError("away")

    async def handle(event: events_pb2.Event) -> None:
        second.append(event.event_id)

    async def waiting() -> bool:
        """Ann's first is being tried; which others were fetched with it is the broker's to say."""
        return "ann/0" in first

    async with consuming(kafka_url, [topic], away_for_ann, group):
        await until(waiting)
    assert {event_id for event_id in first if event_id.startswith("ann/")} == {"ann/0"}
    async with consuming(kafka_url, [topic], handle, group):
        await until(lambda: seen_by([event_id for event_id in second if event_id.startswith("ann/")], 3))
    assert in_order(second)


async def test_what_has_begun_when_the_consumer_ends_is_finished_and_does_not_come_again(kafka_url: str) -> None:
    topic, group, ended, second = new_name("bets"), new_name("group"), list[str](), list[str]()
    begun = asyncio.Event()
    await send(kafka_url, [outgoing(topic, "ann", number) for number in range(3)])

    async def slow(event: events_pb2.Event) -> None:
        begun.set()
        await asyncio.sleep(0.5)
        ended.append(event.event_id)

    async def handle(event: events_pb2.Event) -> None:
        second.append(event.event_id)

    async with consuming(kafka_url, [topic], slow, group):
        await begun.wait()
    assert ended == ["ann/0"]
    async with consuming(kafka_url, [topic], handle, group):
        await until(lambda: seen_by(second, 2))
    assert second == ["ann/1", "ann/2"]


def test_what_was_being_processed_when_the_process_was_killed_comes_again(kafka_url: str) -> None:
    topic, group = new_name("bets"), new_name("group")
    asyncio.run(send(kafka_url, [outgoing(topic, "ann", number) for number in range(20)]))
    lines: list[list[str]] = []
    for last in (5, 19):
        command = [sys.executable, str(PROGRAM), kafka_url, group, topic]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout
            for line in process.stdout:
                lines.append(line.split())
                if lines[-1] == ["begun" if last < 19 else "ended", f"ann/{last}"]:
                    process.kill()
    ended = [event_id for what, event_id in lines if what == "ended"]
    begun = [event_id for what, event_id in lines if what == "begun"]
    assert set(ended) == {f"ann/{number}" for number in range(20)}
    assert begun.count("ann/5") == 2
    assert in_order(ended)


async def test_partitions_are_shared_with_a_member_that_joins_and_nothing_is_lost(kafka_url: str) -> None:
    topic, group = new_name("bets"), new_name("group")
    by: dict[str, list[str]] = {"first": [], "second": []}
    await send(kafka_url, [outgoing(topic, f"p{player}", 0) for player in range(30)])

    async def first(event: events_pb2.Event) -> None:
        await asyncio.sleep(0.01)
        by["first"].append(event.event_id)

    async def second(event: events_pb2.Event) -> None:
        by["second"].append(event.event_id)

    async with consuming(kafka_url, [topic], first, group), consuming(kafka_url, [topic], second, group):
        await until(lambda: seen_by(by["first"] + by["second"], 30))
        number = 1
        while not by["second"]:
            await send(kafka_url, [outgoing(topic, f"p{player}", number) for player in range(30)])
            number += 1
            await until(lambda sent=number: seen_by(by["first"] + by["second"], 30 * sent))  # type: ignore[misc]
        by["first"].clear()
        await send(kafka_url, [outgoing(topic, f"p{player}", number) for player in range(30)])
        await until(lambda: seen_by([i for i in by["first"] + by["second"] if i.endswith(f"/{number}")], 30))
        assert by["first"]
        assert any(event_id.endswith(f"/{number}") for event_id in by["second"])


async def test_the_lag_is_what_is_not_done_yet(kafka_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelback_common.consumer.LAG_SECONDS", 0.1)
    topic = new_name("bets")
    away = True
    await send(kafka_url, [outgoing(topic, "ann", number) for number in range(5)])

    def lag() -> float:
        values = (
            REGISTRY.get_sample_value("kafka_consumer_lag", {"topic": topic, "partition": str(p)}) for p in range(3)
        )
        return sum(value or 0 for value in values)

    async def lag_is(events: int) -> bool:
        return lag() == events

    async def handle(_: events_pb2.Event) -> None:
        if away:
            raise ConnectionError("away")

    async with consuming(kafka_url, [topic], handle):
        await until(lambda: lag_is(5))
        await send(kafka_url, [outgoing(topic, "ann", number) for number in range(5, 9)])
        await until(lambda: lag_is(9))
        away = False
        await until(lambda: lag_is(0))


async def test_a_consumer_without_a_broker_is_not_ready(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(_: events_pb2.Event) -> None:
        raise AssertionError

    async def said() -> bool:
        return "no events can be read" in caplog.text

    consumer = Consumer("kafka://127.0.0.1:1", "group", ["bets"], handle, ())
    async with beside(consumer.run()) as running:
        await until(said)
        assert not await ready(consumer)
        assert not running.done()


async def test_a_consumer_whose_broker_is_gone_says_so_and_ends_soon(tmp_path: Path) -> None:
    topic, seen = new_name("bets"), list[str]()
    broker = Broker(tmp_path)

    async def handle(event: events_pb2.Event) -> None:
        seen.append(event.event_id)

    try:
        await asyncio.to_thread(broker.start)
        await send(broker.url, [outgoing(topic, "ann", 0)])
        async with consuming(broker.url, [topic], handle) as consumer:
            await until(lambda: seen_by(seen, 1))
            broker.kill()
            assert not await ready(consumer)
            ending = time.monotonic()
        assert time.monotonic() - ending < 15
    finally:
        broker.kill()


async def test_a_member_that_hears_of_no_broker_is_replaced_and_events_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member, "ASK_SECONDS", 0.1)
    monkeypatch.setattr(member, "SILENCE_SECONDS", 0.5)
    topic, seen = new_name("bets"), list[str]()
    members: list[int] = []
    made = member.Member.__init__

    def counted(self: member.Member, *given: Any) -> None:
        members.append(1)
        made(self, *given)

    monkeypatch.setattr(member.Member, "__init__", counted)
    broker = Broker(tmp_path)

    async def handle(event: events_pb2.Event) -> None:
        seen.append(event.event_id)

    async def replaced() -> bool:
        return len(members) > 1

    try:
        await asyncio.to_thread(broker.start)
        await send(broker.url, [outgoing(topic, "ann", 0)])
        async with consuming(broker.url, [topic], handle):
            await until(lambda: seen_by(seen, 1))
            assert len(members) == 1
            broker.kill()
            await asyncio.sleep(4)  # it is silent for longer than a question takes
            await asyncio.to_thread(broker.start)
            await until(replaced, 20)
            await send(broker.url, [outgoing(topic, "ann", 1)])
            await until(lambda: seen_by(seen, 2), 30)
    finally:
        broker.kill()
