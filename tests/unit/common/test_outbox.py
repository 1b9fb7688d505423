"""From a store to a broker and into a handler: nothing is lost, and a player's events stay in order."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from reelback.v1 import events_pb2
from reelback_common import outbox
from reelback_common.outbox import Relay

from tests.unit.common.broker import Broker
from tests.unit.common.kafka_parts import MemoryOutbox, beside, consuming, in_order, new_name, outgoing, read_all
from tests.unit.common.waiting import until


async def test_what_is_offered_arrives_soon_and_in_each_players_order(kafka_url: str) -> None:
    topic, store, seen = new_name("bets"), MemoryOutbox(), list[str]()
    delays = []

    async def handle(event: events_pb2.Event) -> None:
        seen.append(event.event_id)
        delays.append(time.time() - event.occurred_at.ToNanoseconds() / 1e9)

    relay = Relay(kafka_url, store, [topic])
    async with beside(relay.run()), consuming(kafka_url, [topic], handle):
        await until(lambda: _published(store))  # the relay follows, and offers are enough
        reads = store.reads
        for number in range(50):
            for player in ("ann", "bob", "cid", "dan"):
                event = outgoing(topic, player, number)
                store.put(event)
                relay.offer(event)
            await asyncio.sleep(0.005)
        await until(lambda: _count(seen, 200))
        assert store.reads == reads
    assert len(seen) == 200
    assert in_order(seen)
    assert sorted(delays)[100] < 1
    assert store.waiting == {}


async def test_a_record_is_the_event_under_its_player_with_its_headers(kafka_url: str) -> None:
    topic, store = new_name("bets"), MemoryOutbox()
    event = outgoing(topic, "ann", 1)
    store.put(event)
    async with beside(Relay(kafka_url, store, [topic]).run()):
        await until(lambda: _published(store))
        (message,) = await asyncio.to_thread(read_all, kafka_url, topic, 1)
    assert message.key() == b"ann"
    assert events_pb2.Event.FromString(message.value() or b"") == event.event
    assert message.headers() == [("note", b"kept")]


async def test_an_event_that_no_broker_takes_holds_up_no_other(
    kafka_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    topic, store = new_name("bets"), MemoryOutbox()
    huge = outgoing(topic, "ann", 1)
    huge.event.payment_failed.request_id = "x" * 1_100_000
    store.put(huge, outgoing(topic, "ann", 2), outgoing(topic, "bob", 1))
    async with beside(Relay(kafka_url, store, [topic]).run()):
        await until(lambda: _published(store))
        sent = await asyncio.to_thread(read_all, kafka_url, topic, 3, 3)
    assert {events_pb2.Event.FromString(message.value() or b"").event_id for message in sent} == {"ann/2", "bob/1"}
    assert [line.getMessage() for line in caplog.records if "refused" in line.getMessage()] == [
        f"event ann/1 for {topic} is refused for ever: {huge.event.ByteSize()} bytes"
    ]


async def test_what_nobody_offered_is_found_at_the_start_in_order(
    kafka_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "BATCH", 7)
    topic, store, seen = new_name("bets"), MemoryOutbox(), list[str]()

    async def handle(event: events_pb2.Event) -> None:
        seen.append(event.event_id)

    store.put(*(outgoing(topic, player, number) for number in range(10) for player in ("ann", "bob")))
    relay = Relay(kafka_url, store, [topic])
    relay.offer(outgoing(topic, "ann", 9))  # before it runs: no more than a hint
    async with beside(relay.run()), consuming(kafka_url, [topic], handle):
        await until(lambda: _count(seen, 20))
    assert len(seen) == 20
    assert in_order(seen)


async def test_what_is_offered_last_is_sent_before_the_relay_ends(kafka_url: str) -> None:
    topic, store = new_name("bets"), MemoryOutbox()
    relay = Relay(kafka_url, store, [topic])
    store.put(outgoing(topic, "ann", 0))  # the first event of a producer takes it a second or more
    async with beside(relay.run()):
        await until(lambda: _published(store))
        for number in range(1, 6):
            event = outgoing(topic, "ann", number)
            store.put(event)
            relay.offer(event)
    assert store.waiting == {}
    sent = await asyncio.to_thread(read_all, kafka_url, topic, 6)
    assert [events_pb2.Event.FromString(message.value() or b"").event_id for message in sent] == [
        f"ann/{number}" for number in range(6)
    ]


async def test_what_another_process_left_is_found_while_there_is_traffic(
    kafka_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "SWEEP_SECONDS", 0.5)
    topic, store = new_name("bets"), MemoryOutbox()
    relay = Relay(kafka_url, store, [topic])

    async def offering() -> None:
        for number in range(10_000):
            event = outgoing(topic, "ann", number)
            store.put(event)
            relay.offer(event)
            await asyncio.sleep(0.001)

    async with beside(relay.run()), beside(offering()):
        await until(lambda: _reads(store, 2))
        store.put(outgoing(topic, "bob", 0))
        await until(lambda: _gone(store, "bob/0"))


async def test_more_offers_than_memory_may_hold_cost_nothing_but_a_sweep(
    kafka_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "MAX_OFFERED", 10)
    topic, store, seen = new_name("bets"), MemoryOutbox(), list[str]()

    async def handle(event: events_pb2.Event) -> None:
        seen.append(event.event_id)

    relay = Relay(kafka_url, store, [topic])
    async with beside(relay.run()), consuming(kafka_url, [topic], handle):
        await until(lambda: _published(store))
        for number in range(100):
            event = outgoing(topic, "ann", number)
            store.put(event)
            relay.offer(event)
        await until(lambda: _count(seen, 100))
    assert in_order(seen)


async def test_a_store_that_is_away_is_waited_for(kafka_url: str) -> None:
    topic, store = new_name("bets"), MemoryOutbox()
    store.away = True
    store.put(outgoing(topic, "ann", 1))
    async with beside(Relay(kafka_url, store, [topic]).run()):
        await until(lambda: _reads(store, 2))
        store.away = False
        await until(lambda: _published(store))


async def test_a_relay_starts_without_its_broker_says_so_once_and_catches_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    topic, store, seen = new_name("bets"), MemoryOutbox(), list[str]()
    broker = Broker(tmp_path)

    async def handle(event: events_pb2.Event) -> None:
        seen.append(event.event_id)

    relay = Relay(broker.url, store, [topic])
    try:
        async with beside(relay.run()) as running:
            store.put(*(outgoing(topic, "ann", number) for number in range(20)))
            relay.offer(outgoing(topic, "ann", 19))
            await until(lambda: _said(caplog, "events wait"), 10)
            assert not running.done()
            await asyncio.to_thread(broker.start)
            async with consuming(broker.url, [topic], handle):
                await until(lambda: _count(seen, 20), 20)
        assert in_order(seen)
        assert len([record for record in caplog.records if "events wait" in record.message]) == 1
    finally:
        broker.kill()


async def test_a_broker_that_is_killed_loses_no_event_and_no_order(tmp_path: Path) -> None:
    topic, store, seen = new_name("bets"), MemoryOutbox(), list[str]()
    broker = Broker(tmp_path)
    await asyncio.to_thread(broker.start)

    async def handle(event: events_pb2.Event) -> None:
        seen.append(event.event_id)

    players = [f"p{number}" for number in range(10)]
    try:
        relay = Relay(broker.url, store, [topic])
        async with beside(relay.run()), consuming(broker.url, [topic], handle):
            for number in range(300):
                for player in players:
                    event = outgoing(topic, player, number)
                    store.put(event)
                    relay.offer(event)
                await asyncio.sleep(0.01)
                if number == 100:
                    broker.kill()
                if number == 200:
                    restarted = asyncio.create_task(asyncio.to_thread(broker.start))
            await restarted
            await until(lambda: _count(set(seen), 3000), 40)
        assert store.waiting == {}
        assert in_order(seen)
    finally:
        broker.kill()


async def _count(seen: list[str] | set[str], count: int) -> bool:
    return len(seen) >= count


async def _published(store: MemoryOutbox) -> bool:
    return store.reads > 0 and not store.waiting


async def _reads(store: MemoryOutbox, count: int) -> bool:
    return store.reads >= count


async def _said(caplog: pytest.LogCaptureFixture, words: str) -> bool:
    return words in caplog.text


async def _gone(store: MemoryOutbox, event_id: str) -> bool:
    return event_id not in store.waiting
