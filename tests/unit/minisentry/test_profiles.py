"""Profiles: what functions took comes out of the API right, by thread and release, within bounds, whatever is sent."""

import random
import time
from typing import Any

import pytest
from reelback_minisentry.ingest import profile_chunks
from reelback_minisentry.ingest.profile_chunks import FUNCTIONS, MAX_SECONDS, MAX_THREADS, read
from reelback_minisentry.store import keys
from reelback_minisentry.store.cardinality import Room
from reelback_minisentry.store.cells import cells
from reelback_minisentry.store.records import FunctionTime, Records
from reelback_minisentry.store.scope import Place
from reelback_minisentry.store.write_batch import Batch

from tests.unit.minisentry.conftest import Server
from tests.unit.minisentry.payloads import profile

SELF, WHOLE = "sum(function.self_time)", "sum(function.duration)"
SECOND = 1e9

BUSY = (("1", 3.0, ("_burn", "draw", "spin")), ("1", 1.0, ("draw", "spin")), ("1", 6.0, ("_select",)))
IDLE = ("2", 10.0, ("_wait",))


def rows(server: Server, fields: list[str], query: str, **more: Any) -> list[dict[str, Any]]:
    asked = {"dataset": "profile_functions", "field": fields, "query": query, "statsPeriod": "1h", **more}
    answer = server.ask("/events/", **asked)
    assert answer["meta"]["dataset"] == "profile_functions"
    assert set(answer["meta"]["fields"]) == set(fields)
    found: list[dict[str, Any]] = answer["data"]
    return found


def took(chunk: dict[str, Any]) -> list[FunctionTime]:
    """The figures of a chunk, the greatest first."""
    return [each for one in read(chunk, "1", time.time()) for each in one.functions]


def seconds(of: float) -> Any:
    return pytest.approx(of * SECOND, rel=1e-3)


def test_what_functions_took(shared: Server, name: str) -> None:
    shared.sent(("profile_chunk", profile(name, *BUSY, IDLE)))
    fields = ["function", "package", "is_application", "thread.id", "count()", SELF, WHOLE]
    found = rows(shared, fields, f"release:{name}", sort=f"-{SELF}")
    assert [(row["function"], row["is_application"], row["thread.id"], row["count()"]) for row in found] == [
        ("_wait", "0", "2", 1),
        ("_select", "0", "1", 1),
        ("_burn", "0", "1", 1),
        ("draw", "1", "1", 1),
        ("spin", "1", "1", 0),
    ]
    assert {row["package"] for row in found} == {"game.rng"}
    assert [row[SELF] for row in found] == [seconds(of) for of in (10, 6, 3, 1, 0)]
    assert [row[WHOLE] for row in found] == [seconds(of) for of in (10, 6, 3, 4, 4)]
    assert rows(shared, [SELF], f"release:{name} thread.id:1 !function:_select") == [{SELF: seconds(4)}]
    assert rows(shared, ["thread.id", SELF], f'release:{name} function:"_burn"') == [
        {"thread.id": "1", SELF: seconds(3)}
    ]
    assert rows(shared, [SELF], "release:none@1.0.0") == [{SELF: 0}]


def test_chunks_add_up_by_release_environment_and_project(shared: Server, name: str) -> None:
    other = name.replace("1.0.0", "1.1.0")
    for release, project, environment in (
        (name, "1", "test"),
        (name, "1", "test"),
        (name, "7", "live"),
        (other, "1", "test"),
    ):
        shared.sent(("profile_chunk", profile(release, *BUSY, environment=environment)), project=project)
    package = name.partition("@")[0]
    query = f"release:{package}@* function:_burn"
    assert rows(shared, ["release", SELF], query, sort="release") == [
        {"release": name, SELF: seconds(9)},
        {"release": other, SELF: seconds(3)},
    ]
    assert rows(shared, ["project", SELF], query, environment="live") == [{"project": "7", SELF: seconds(3)}]
    assert rows(shared, [SELF], query, project="1") == [{SELF: seconds(9)}]
    assert rows(shared, ["count()"], query) == [{"count()": 4}]


def test_seconds_and_hours_agree(shared: Server, name: str) -> None:
    shared.sent(("profile_chunk", profile(name, *BUSY)))
    by_second, by_hour = (rows(shared, [SELF, "count()"], f"release:{name}", statsPeriod=of) for of in ("1h", "5h"))
    assert by_second == by_hour


def test_time_series(shared: Server, name: str) -> None:
    shared.sent(("profile_chunk", profile(name, *BUSY)))
    asked = {"dataset": "profile_functions", "yAxis": SELF, "query": f"release:{name}", "groupBy": "function"}
    series = shared.ask("/events-timeseries/", **asked, statsPeriod="10m", interval="1m")["timeSeries"]
    found = {one["groupBy"][0]["value"]: sum(point["value"] for point in one["values"]) for one in series}
    assert found["_burn"] == seconds(3)


@pytest.mark.parametrize(
    ("fields", "query", "says"),
    [
        (["p75()"], "", "'p75()' of dataset profile_functions is not one of count()"),
        (["p95(function.self_time)"], "", "is not one of count()"),
        (["sum()"], "", "is not one of count()"),
        (["count_unique(function)"], "", "is not one of count()"),
        (["count_unique(user)"], "", "is not one of count()"),
        (["function", "fingerprint"], "", "unknown field 'fingerprint'"),
        (["transaction"], "", "unknown field 'transaction'"),
        (["of", "count()"], "", "unknown field 'of'"),
        (["count()"], "platform.name:python", "unknown key 'platform.name'"),
        (["count()"], "function.self_time:>5ms", "unknown key 'function.self_time'"),
        (["count()"], "of:self", "unknown key 'of'"),
    ],
)
def test_what_is_not_kept_is_refused(shared: Server, fields: list[str], query: str, says: str) -> None:
    asked = {"dataset": "profile_functions", "field": fields, "query": query, "statsPeriod": "1h"}
    refused = shared.call("GET", "/events/", params=asked)
    assert refused.status_code == 400
    assert says in refused.json()["detail"]


def test_a_thread_that_could_not_be_looked_at_keeps_its_time() -> None:
    chunk = profile("game@1.0.0", ("1", 0.5, ("_burn",)), step=0.25)
    chunk["profile"]["samples"][-1]["timestamp"] += 4
    (found,) = took(chunk)
    assert found.own == pytest.approx(4_500_000, abs=2)


def test_a_function_that_calls_itself_is_counted_once() -> None:
    (found,) = took(profile("game@1.0.0", ("1", 2, ("deeper", "deeper", "deeper"))))
    assert found.own == pytest.approx(2e6, rel=1e-3)
    assert found.callees == 0


def test_lines_of_a_function_are_one() -> None:
    chunk = profile("game@1.0.0", ("1", 1, ("draw",)), ("1", 1, ("spin",)))
    chunk["profile"]["frames"] = [{"function": "draw", "module": "game", "lineno": line} for line in (1, 2)]
    (found,) = took(chunk)
    assert found.own == pytest.approx(2e6, rel=1e-3)
    assert found.calls == 1


def test_the_rest_of_a_thread_is_counted_as_other() -> None:
    many = [("1", 0.01 * (number // 6 + 1), (f"f{number}",)) for number in range(3 * FUNCTIONS)]
    callers = [("2", 0.1, ("_leaf", *(f"g{n}_{number}" for n in range(20)))) for number in range(20)]
    found = took(profile("game@1.0.0", *many, *callers))
    assert len(found) <= 2 * FUNCTIONS + 2
    by_thread = {thread: sum(each.own for each in found if each.thread == thread) for thread in ("1", "2")}
    assert by_thread == {
        "1": pytest.approx(1e6 * sum(each[1] for each in many), rel=1e-3),
        "2": pytest.approx(2e6, rel=1e-2),
    }
    assert [each.thread for each in found if each.function.name == keys.OTHER] == ["1"]


def test_threads_too_many_are_counted_as_other() -> None:
    threads = [(str(number), 0.1, ("_wait",)) for number in range(3 * MAX_THREADS)]
    found = took(profile("game@1.0.0", *threads))
    assert len({each.thread for each in found}) <= MAX_THREADS + 1
    assert sum(each.own for each in found) == pytest.approx(1e5 * len(threads), rel=1e-2)


def test_a_chunk_takes_no_more_time_than_it_may_span() -> None:
    chunk = profile("game@1.0.0", ("1", 400, ("_burn",)), step=0.5)
    assert sum(each.own for each in took(chunk)) <= 1e6 * MAX_SECONDS
    samples = chunk["profile"]["samples"]
    chunk["profile"]["samples"] = [*samples[:20], *reversed(samples[:20])] * 50
    assert sum(each.own for each in took(chunk)) <= 20e6, "time that runs backwards adds nothing"


def test_functions_too_many_in_an_hour_are_counted_as_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "PROFILES_BYTES", 1000)
    batch = Batch({"server": Room.of(1)})
    for number in range(50):
        chunk = profile("game@1.0.0", ("1", 0.1, (f"f{number}",)))
        batch.add(Records(time.time(), profiles=read(chunk, "1", time.time())))
    hashes = [fields for key, _, fields in batch.counters() if "profiles:3600" in key]
    raw = [{field.encode(): str(n).encode() for field, n in fields.items()} for fields in hashes]
    found = cells(keys.PROFILES, raw, Place(frozenset(), frozenset()))
    assert len({row["function"] for row, _ in found}) < 12
    assert keys.OTHER in {row["function"] for row, _ in found}
    assert sum(n for row, n in found if row["of"] == "self") == pytest.approx(5e6, rel=1e-2)


TWO = [{"stack_id": 0, "timestamp": at, "thread_id": "1"} for at in (1.0, 2.0)]


@pytest.mark.parametrize(
    "change",
    [
        {"profile": {"frames": [{}], "stacks": [[-1]], "samples": TWO}},
        {"profile": {"frames": [{}], "stacks": [[0]], "samples": TWO[:1]}},
        {"version": "1"},
        {"version": None},
        {"profile": None},
        {"profile": {"frames": "f", "stacks": 3, "samples": {}}},
        {"profile": {"frames": [{}], "stacks": [[7], [-1], ["0"], None], "samples": [{"stack_id": 0, "timestamp": 1}]}},
    ],
)
def test_a_chunk_that_says_nothing_is_counted_alone(shared: Server, name: str, change: dict[str, Any]) -> None:
    shared.sent(("profile_chunk", profile(name, *BUSY) | change))
    assert rows(shared, ["function", SELF], f"release:{name}") == []
    assert shared.send(b'{}\n{"type":"profile_chunk"}\n[1]').status_code == 400


def test_nonsense_in_a_chunk_is_left_out() -> None:
    source = random.Random(3)
    nonsense: list[Any] = [None, True, -1, 10**18, 1.5, "x", "\x1f", [], {}, [[]], {"function": 1}, "9" * 10_000]
    for _ in range(500):
        chunk = profile("game@1.0.0", *BUSY, IDLE, step=0.5)
        inside = chunk["profile"]
        for _ in range(6):
            part = inside[source.choice(["frames", "stacks", "samples"])]
            at = source.randrange(len(part))
            if isinstance(part[at], dict) and source.random() < 0.8 and part[at]:
                part[at][source.choice(list(part[at]))] = source.choice(nonsense)
            else:
                part[at] = source.choice(nonsense)
        for each in took(chunk):
            assert 0 <= each.own + each.callees <= 1e6 * MAX_SECONDS * MAX_THREADS
            assert len(each.function.name) <= 200
            assert keys.SEPARATOR not in each.function.name + each.thread


def test_a_chunk_of_many_stacks_costs_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_chunks, "MAX_STACKS", 5)
    stretches = [("1", 0.1, (f"_f{number}", "spin")) for number in range(20)]
    (spin,) = [each for each in took(profile("game@1.0.0", *stretches)) if each.function.name == "spin"]
    assert spin.callees == pytest.approx(5e5, rel=0.1), "callers are looked at in the longest stacks alone"
