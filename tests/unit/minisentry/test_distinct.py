"""Traces and users behind requests and errors: how many there are, however many requests each of them makes."""

import random
import time
from typing import Any

import pytest
from reelback_minisentry.stats.distinct import SAMPLE, Distinct, hashed, packed

from tests.unit.minisentry.conftest import Server
from tests.unit.minisentry.payloads import FAILED, error, otlp, otlp_span, text, trace_id, transaction

UNIQUE = ["count()", "count_unique(trace)", "count_unique(user)"]
FAILING = "!span.status:[ok,cancelled,unknown]"


def ask(server: Server, fields: list[str], query: str, dataset: str = "spans", **more: Any) -> list[dict[str, Any]]:
    if dataset == "spans":
        query = f"is_transaction:true {query}"
    period = {} if "start" in more else {"statsPeriod": "1h"}
    found: list[dict[str, Any]] = server.ask(
        "/events/", dataset=dataset, field=fields, query=query, disableAggregateExtrapolation="1", **period, **more
    )["data"]
    return found


def test_a_burst_is_one_trace_of_one_user(shared: Server, name: str) -> None:
    other = name.replace("1.0.0", "2.0.0")
    burst = trace_id()
    for release, trace, user, failed in (
        *((name, burst, "anna", True) for _ in range(5)),
        *((name, trace_id(), user, False) for user in ("anna", "ben", "carl")),
        (name, trace_id(), "ben", True),
        (other, burst, "anna", False),
        (other, trace_id(), "", False),
    ):
        span = otlp_span(release, trace_id=trace, status=FAILED if failed else None)
        if user:
            span.attributes.append(text("user.id", user))
        shared.exported(otlp(span))
    both = f'release:["{name}","{other}"]'
    counted = {row["release"]: tuple(row[field] for field in UNIQUE) for row in ask(shared, ["release", *UNIQUE], both)}
    assert counted == {name: (9, 5, 3), other: (2, 2, 1)}
    (failing,) = ask(shared, ["release", *UNIQUE], f"{both} {FAILING}")
    assert failing == {"release": name, "count()": 6, "count_unique(trace)": 2, "count_unique(user)": 2}
    (together,) = ask(shared, UNIQUE, both)
    assert together == {"count()": 11, "count_unique(trace)": 6, "count_unique(user)": 3}
    assert ask(shared, UNIQUE, f"release:{name}", project="-1", environment="elsewhere") == [dict.fromkeys(UNIQUE, 0)]


def test_the_forms_of_the_sdk_have_users_too(shared: Server, name: str) -> None:
    for user in ({"id": 7}, {"id": "7"}, {"email": "a@b.c"}, {"ip_address": "10.0.0.1"}, {}):
        shared.sent(("transaction", transaction(name, 1, user=user)))
    assert ask(shared, UNIQUE, f"release:{name}") == [dict(zip(UNIQUE, (5, 5, 3), strict=True))]
    attributes = {"sentry.release": {"value": name}, "user.id": {"value": "8"}}
    item = {"trace_id": trace_id(), "span_id": "c" * 16, "is_segment": True, "attributes": attributes}
    shared.sent(("span", {"items": [item]}))
    assert ask(shared, UNIQUE, f"release:{name}") == [dict(zip(UNIQUE, (6, 6, 4), strict=True))]


def test_traces_and_users_of_errors(shared: Server, name: str) -> None:
    burst = trace_id()
    for trace, user, level in ((burst, "anna", "error"), (burst, "anna", "error"), (trace_id(), "ben", "fatal")):
        context = {"trace": {"trace_id": trace, "span_id": "c" * 16}}
        shared.sent(("event", error(name, contexts=context, user={"id": user}, level=level)))
    shared.sent(("event", error(name)))
    expected = dict(zip(UNIQUE, (4, 2, 2), strict=True))
    assert ask(shared, ["release", *UNIQUE], f"release:{name}", "errors") == [{"release": name, **expected}]
    by_level = ask(shared, ["level", *UNIQUE], f"release:{name}", "errors", sort="level")
    assert [tuple(row.values()) for row in by_level] == [("error", 3, 1, 1), ("fatal", 1, 1, 1)]


def test_ids_stand_in_the_second_of_the_end(shared: Server, name: str) -> None:
    second = int(time.time()) - 10
    trace = trace_id()
    for end in (second, second + 1, second + 1.5):
        event = transaction(name, 1) | {"start_timestamp": end - 0.1, "timestamp": end}
        event["contexts"]["trace"]["trace_id"] = trace
        shared.sent(("transaction", event))

    def count(start: int, end: int) -> Any:
        window = {"start": f"{start}", "end": f"{end}"}
        times = {key: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(value))) for key, value in window.items()}
        return ask(shared, ["count_unique(trace)"], f"release:{name}", **times)[0]["count_unique(trace)"]

    assert [count(second + at, second + at + 1) for at in (-1, 0, 1, 2)] == [0, 1, 1, 0]
    assert count(second, second + 2) == 1


def test_more_than_fit_are_estimated(shared: Server, name: str) -> None:
    second = int(time.time()) - 10
    for at in range(5):
        events = [
            transaction(name, 1) | {"start_timestamp": second + at, "timestamp": second + at + 0.5} for _ in range(400)
        ]
        shared.sent(*(("transaction", event) for event in events))
    (found,) = ask(shared, ["count()", "count_unique(trace)"], f"release:{name}")
    assert found["count()"] == 2000
    assert found["count_unique(trace)"] == pytest.approx(2000, rel=0.25)  # 320 of them were kept


def test_estimates_are_not_biased() -> None:
    source = random.Random(5)
    ratios = []
    for _ in range(200):
        whole: set[int] = set()
        union = Distinct()
        for _ in range(20):
            hashes = [source.getrandbits(32) for _ in range(source.choice((10, 63, 64, 200, 1000)))]
            hashes += source.sample(sorted(whole), min(len(whole), 30))  # who comes again
            whole.update(hashes)
            union.add_sketch(packed(hashes))
        ratios.append(len(union) / len(whole))
    assert sum(ratios) / len(ratios) == pytest.approx(1, abs=0.01)
    assert max(abs(ratio - 1) for ratio in ratios) < 0.2


@pytest.mark.parametrize("pattern", ["{}", "player-{:06}", "{:x}@example.org", "10.0.{}.1"])
def test_ids_that_are_counted_up_are_spread(pattern: str) -> None:
    hashes = [hashed(pattern.format(n)) for n in range(20_000)]
    assert len(set(hashes)) >= 19_998
    ratios = []
    for at in range(0, 20_000, 500):
        sketch = Distinct()
        sketch.add_sketch(packed(hashes[at : at + 500]))
        ratios.append(len(sketch) / 500)
    assert sum(ratios) / len(ratios) == pytest.approx(1, abs=0.06)
    assert max(abs(ratio - 1) for ratio in ratios) < 0.5


def test_few_are_counted_exactly() -> None:
    source = random.Random(6)
    union, whole = Distinct(), set()
    for _ in range(100):
        hashes = [source.getrandbits(32) for _ in range(SAMPLE - 1)]
        whole.update(hashes)
        union.add_sketch(packed(hashes))
    assert len(union) == len(whole)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"field": ["transaction", "count_unique(trace)"]}, "counted by"),
        ({"field": "count_unique(trace)", "query": "is_transaction:true transaction:a"}, "counted by"),
        ({"field": "count_unique(user)", "query": "is_transaction:true span.duration:>5"}, "counted by"),
        ({"field": "count_unique(user)", "statsPeriod": "3h"}, "2 hours"),
        ({"field": "count_unique(user)", "query": "release:a"}, "is_transaction:true"),
    ],
)
def test_what_is_not_kept_is_refused(shared: Server, query: dict[str, Any], says: str) -> None:
    asked = {"dataset": "spans", "query": "is_transaction:true", "statsPeriod": "1h"} | query
    refused = shared.call("GET", "/events/", params=asked)
    assert refused.status_code == 400
    assert says in refused.json()["detail"]
    series = shared.call("GET", "/events-timeseries/", params={**asked, "yAxis": "count_unique(user)"})
    assert series.status_code == 400
