"""The store on a real Redis: everything it keeps has a bound, and a request waits for its own batch."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from redis.asyncio import Redis
from reelback_minisentry.ingest import envelope_items
from reelback_minisentry.ingest.envelope import Item
from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.spans import trace_tree
from reelback_minisentry.spans.otlp import read
from reelback_minisentry.store import keys, writer
from reelback_minisentry.store.cardinality import Room
from reelback_minisentry.store.reader import Reader
from reelback_minisentry.store.records import Records
from reelback_minisentry.store.write_batch import Batch
from reelback_minisentry.store.writer import Busy, Unavailable, Writer

from tests.unit.minisentry.conftest import Server
from tests.unit.minisentry.payloads import error, otlp, otlp_span, trace_id, transaction


@pytest.fixture
async def redis(shared: Server) -> AsyncIterator[Redis]:
    client = Redis(port=shared.redis_port, db=3)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
async def running(redis: Redis) -> AsyncIterator[Writer]:
    made = Writer(redis)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.wait({task})


def records(*items: tuple[str, dict[str, Any]]) -> Records:
    return envelope_items.read({}, [Item(kind, {}, orjson.dumps(payload)) for kind, payload in items], "1", time.time())


def traced(trace: str, name: str = "a") -> Records:
    return read(otlp(otlp_span("a@1", name, trace_id=trace)), "1", time.time())


async def names(redis: Any, index: str) -> list[str]:
    return [raw.decode() for raw in await redis.zrange(index, 0, -1)]


async def test_old_entries_go(running: Writer, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    for cap in ("MAX_EVENTS", "MAX_ISSUES", "MAX_TRACES", "MAX_RELEASES"):
        monkeypatch.setattr(keys, cap, 10)
    failed = trace_id()
    await running.write(records(("event", error("a@0", contexts={"trace": {"trace_id": failed}}))))
    for n in range(25):
        await running.write(
            records(("event", error(f"a@{n}", fingerprint=[str(n)])), ("transaction", transaction(f"a@{n}", 1)))
        )
    await running.write(Records(time.time()))  # what the last batch pushed out is removed after its answer
    for index, prefix in ((keys.ISSUES, keys.ISSUE), (keys.TRACES, keys.TRACE), (keys.RELEASES, keys.RELEASE)):
        members = set(await names(redis, index))
        stored = {raw.decode().removeprefix(prefix) async for raw in redis.scan_iter(prefix + "*")}
        assert members == stored
        assert len(members) == 10
    assert await redis.zcard(keys.EVENTS) == 10
    assert await redis.exists(keys.TRACE + failed)  # older than all the others, but it has an error


async def test_traces_have_a_bound_of_bytes(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "TRACE_BYTES", 5_000)
    monkeypatch.setattr(keys, "TRACES_BYTES", 20_000)
    full = trace_id()
    for _ in range(2):  # the second writer finds what the first one left, as after a restart
        running = Writer(redis)
        task = asyncio.create_task(running.run())
        for _ in range(40):
            await running.write(traced(full, "x" * 200))
        assert await redis.strlen(keys.TRACE + full) < 6_000
        for _ in range(60):
            await running.write(traced(trace_id(), "x" * 200))
        await running.write(Records(time.time()))
        sizes = [await redis.strlen(keys.TRACE + name) for name in await names(redis, keys.TRACES)]
        assert 10_000 < sum(sizes) <= 20_000
        task.cancel()
        await asyncio.wait({task})


async def test_every_counter_ends(running: Writer, redis: Redis) -> None:
    session = {"sid": "a", "did": "b", "init": True, "errors": 1, "attrs": {"release": "a@1"}}
    metric = {"items": [{"name": "m", "type": "distribution", "value": 1}]}
    await running.write(records(("event", error("a@1")), ("transaction", transaction("a@1", 1)), ("session", session)))
    await running.write(records(("trace_metric", metric)))
    lasting = {keys.FILLED, keys.EVENTS, keys.ISSUES, keys.TRACES, keys.RELEASES, keys.PROJECTS}
    capped = (keys.ISSUE, keys.TRACE, keys.RELEASE)
    found = [name async for raw in redis.scan_iter("*") if (name := raw.decode()) not in lasting]
    assert all(name.startswith(keys.PREFIX) for name in found)
    endings = {name.removeprefix(keys.PREFIX): await redis.ttl(name) for name in found if not name.startswith(capped)}
    assert {name.split(":")[0] for name in endings} == {
        "errors",
        "spans",
        "ids",
        "items",
        "sessions",
        "sids",
        "users",
        "metrics",
    }
    assert all(0 < ttl <= 30 * 86_400 for ttl in endings.values())
    seconds = {name: ttl for name, ttl in endings.items() if ":1:" in name}
    assert seconds
    assert max(seconds.values()) <= 2 * 3600


async def test_what_an_hour_has_no_room_for_is_counted_as_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "FIELDS_BYTES", 3 * 110)
    batch = Batch({"server": Room.of(1)})
    for n in range(10):
        batch.add(records(("transaction", transaction("a@1", 1, transaction=f"/{n}"))))
    fields = next(fields for key, _, fields in batch.counters() if key.startswith(f"{keys.PREFIX}spans:3600"))
    assert sum(fields.values()) == 10
    others = {field: n for field, n in fields.items() if field.startswith(keys.OTHER)}
    assert 7 <= sum(others.values()) <= 9
    assert len(others) == 1


async def test_a_full_batch_refuses_more(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "MAX_WAITING", 3)
    waiting = Writer(redis)
    writes = [asyncio.create_task(waiting.write(traced(trace_id()))) for _ in range(4)]
    done, _ = await asyncio.wait(writes, timeout=1)
    assert [type(task.exception()) for task in done] == [Busy]
    task = asyncio.create_task(waiting.run())
    await asyncio.wait(writes, timeout=10)
    assert await redis.zcard(keys.TRACES) == 3
    task.cancel()
    await asyncio.wait({task})


async def test_requests_that_come_together_are_written_together_and_fail_together() -> None:
    away = Redis(port=1, socket_connect_timeout=1)
    down = Writer(away)
    task = asyncio.create_task(down.run())
    results = await asyncio.gather(*(down.write(traced(trace_id())) for _ in range(5)), return_exceptions=True)
    assert {type(result) for result in results} == {Unavailable}
    assert not task.done()
    task.cancel()
    await asyncio.wait({task})
    await away.aclose()


async def test_an_answer_waits_for_its_batch(redis: Redis) -> None:
    waiting = Writer(redis)
    write = asyncio.create_task(waiting.write(traced(trace_id())))
    await asyncio.sleep(0.1)
    assert not write.done()
    task = asyncio.create_task(waiting.run())
    await asyncio.wait_for(write, 10)
    assert await redis.zcard(keys.TRACES) == 1
    task.cancel()
    await asyncio.wait({task})


async def test_what_an_older_minisentry_stored_of_a_trace_is_still_read(running: Writer, redis: Redis) -> None:
    trace, now = trace_id(), time.time()
    old = {
        **{
            "trace_id": trace,
            "span_id": "a" * 16,
            "parent_id": "",
            "segment": True,
            "name": "Spin",
            "op": "rpc.server",
        },
        **{"status": "ok", "start": now - 1, "end": now, "service": "game", "attributes": {"a": 1}, "inside": []},
        "origin": {"environment": "test", "project": "1", "release": "game@1"},
    }
    await redis.append(keys.TRACE + trace, orjson.dumps([old]) + b"\n")
    span = otlp_span("payment@1", "Bet", trace_id=trace, parent_span_id="a" * 16)
    await running.write(read(otlp(span), "1", now))
    await running.write(records(("event", error("game@1", contexts={"trace": {"trace_id": trace}}))))
    spin, lost = trace_tree.shape(await Reader(redis).trace(trace), ProjectNames({}))
    assert (spin["name"], spin["additional_attributes"]["a"]) == ("Spin", 1)
    assert [(child["name"], child["additional_attributes"]["release"]) for child in spin["children"]] == [
        ("Bet", "payment@1")
    ]
    assert lost["event_type"] == "error"
