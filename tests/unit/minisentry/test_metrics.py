"""Metrics: what senders put into them comes out of the API right, by the second and by the hour, within bounds."""

import random
import time
from collections.abc import Iterator
from typing import Any

import pytest
from reelback_minisentry.ingest.metric_samples import read
from reelback_minisentry.stats.histogram import value_bin, value_middle
from reelback_minisentry.stats.metric_stats import Stats, merged, of_sample, unpack
from reelback_minisentry.store import keys
from reelback_minisentry.store.cardinality import Room
from reelback_minisentry.store.cells import cells
from reelback_minisentry.store.records import Records
from reelback_minisentry.store.scope import Place
from reelback_minisentry.store.write_batch import Batch

from tests.unit.minisentry.conftest import Server

METRIC = {"metric.name": "name", "metric.type": "type", "metric.unit": "unit"}


def sample(release: str, name: str, value: Any, kind: str = "gauge", unit: str | None = None, **more: Any) -> Any:
    """A metric as sentry_sdk 2.75 writes it; `more` are attributes, or `at`."""
    at = more.pop("at", time.time())
    own = {"sentry.release": release, "sentry.environment": "test", "server.address": "h", "process.runtime.name": "C"}
    attributes = {key: {"value": attribute, "type": "string"} for key, attribute in (own | more).items()}
    row = {"timestamp": at, "name": name, "type": kind, "value": value, "attributes": attributes, "trace_id": "0" * 32}
    return row | ({"unit": unit} if unit else {})


def send(server: Server, *samples: Any) -> None:
    server.sent(("trace_metric", {"version": 2, "items": samples}))


def rows(server: Server, fields: list[str], query: str, **more: Any) -> list[dict[str, Any]]:
    asked = {"dataset": "tracemetrics", "field": fields, "query": query, "statsPeriod": "1h", **more}
    answer = server.ask("/events/", **asked)
    assert answer["meta"]["dataset"] == "tracemetrics"
    assert set(answer["meta"]["fields"]) == set(fields)
    found: list[dict[str, Any]] = answer["data"]
    return found


def test_functions_of_a_gauge(shared: Server, name: str) -> None:
    send(shared, *(sample(name, "payment.success_rate", value, unit="ratio") for value in (0.5, 1, 0.75)))
    fields = [f"{function}(value,payment.success_rate,gauge,ratio)" for function in ("count", "avg", "min", "max")]
    (row,) = rows(shared, ["release", *fields], f"release:[{name}]")
    assert row == {"release": name, **dict(zip(fields, (3, 0.75, 0.5, 1.0), strict=True))}


def test_counters_by_attribute(shared: Server, name: str) -> None:
    for game, currency, value in (("classic", "EUR", 100), ("classic", "USD", 20), ("fruits", "EUR", 3)):
        attributes = {"game": game, "currency": currency}
        send(shared, sample(name, "bets.volume", value, "counter", "cent", **attributes))
        send(shared, sample(name, "bets.volume", value, "counter", "cent", **attributes))
    total = "sum(value,bets.volume,counter,cent)"

    def found(query: str, *group_by: str) -> list[dict[str, Any]]:
        return rows(shared, [*group_by, total], f"release:{name} {query}", sort=f"-{total}")

    assert found("") == [{total: 246}]
    assert found("game:classic currency:EUR") == [{total: 200}]
    assert found("!game:classic") == [{total: 6}]
    assert found("", "game") == [{"game": "classic", total: 240}, {"game": "fruits", total: 6}]
    assert found("tags[game,string]:[fruits]", "tags[currency,string]") == [{"tags[currency,string]": "EUR", total: 6}]
    assert found("", "table") == [{"table": None, total: 246}]
    assert found("has:table") == [{total: None}]
    assert found("has:table", "game") == []


def test_rates(shared: Server, name: str) -> None:
    send(shared, *(sample(name, "bets.count", 30, "counter") for _ in range(2)))
    send(shared, *(sample(name, "sessions.active", 12) for _ in range(6)))
    fields = ["per_second(value,bets.count,counter,-)", "per_minute(value,sessions.active,gauge,-)"]
    (row,) = rows(shared, fields, f"release:{name}", statsPeriod="2m")
    assert row[fields[0]] == pytest.approx(0.5, rel=0.02)
    assert row[fields[1]] == pytest.approx(3, rel=0.02)


def test_percentiles_of_a_distribution(shared: Server, name: str) -> None:
    values = [random.Random(5).lognormvariate(2, 1) for _ in range(400)]
    send(shared, *(sample(name, "payout", value, "distribution", "millisecond") for value in values))
    fields = [f"{function}(value,payout,distribution,millisecond)" for function in ("p50", "p95", "max")]
    answer = shared.ask("/events/", dataset="tracemetrics", field=fields, query=f"release:{name}", statsPeriod="1h")
    (row,), meta = answer["data"], answer["meta"]
    assert row[fields[0]] == pytest.approx(sorted(values)[199], rel=0.04)
    assert row[fields[1]] == pytest.approx(sorted(values)[379], rel=0.04)
    assert row[fields[2]] == max(values)
    assert (meta["fields"][fields[0]], meta["units"][fields[0]]) == ("duration", "millisecond")


def test_units(shared: Server, name: str) -> None:
    for unit, value in ((None, 1), ("none", 2), ("ratio", 4)):
        send(shared, sample(name, "a", value, unit=unit))
    for unit, expected in (("ratio", 4), ("none", 3), ("-", 7), ("cent", None)):
        assert rows(shared, [f"sum(value,a,gauge,{unit})"], f"release:{name}") == [
            {f"sum(value,a,gauge,{unit})": expected}
        ]


def test_metrics_are_listed(shared: Server, name: str) -> None:
    send(shared, sample(name, "a", 1), sample(name, "a", 2), sample(name, "b", 2, "counter", "cent"))
    fields = [*METRIC, "count(metric.name)"]
    assert rows(shared, fields, f"release:{name}", sort="metric.name") == [
        {"metric.name": "a", "metric.type": "gauge", "metric.unit": None, "count(metric.name)": 2},
        {"metric.name": "b", "metric.type": "counter", "metric.unit": "cent", "count(metric.name)": 1},
    ]
    only_b = rows(shared, ["metric.name", "avg(value,b,counter,cent)"], f"release:{name}")
    assert only_b == [{"metric.name": "b", "avg(value,b,counter,cent)": 2.0}]
    assert rows(shared, ["avg(value)"], f"release:{name} metric.name:a metric.type:gauge") == [{"avg(value)": 1.5}]
    assert rows(shared, ["count_unique(metric.name)"], f"release:{name}") == [{"count_unique(metric.name)": 2}]


def test_environment_and_project(shared: Server, name: str) -> None:
    send(shared, sample(name, "a", 1))
    for place, expected in (({"environment": "test"}, 1), ({"environment": "live"}, 0), ({"project": "1"}, 1)):
        assert rows(shared, ["count(value)"], f"release:{name}", **place) == [{"count(value)": expected}]


def test_seconds_and_hours_agree(shared: Server, name: str) -> None:
    source = random.Random(2)
    now = time.time()
    values = [source.uniform(-5, 50) for _ in range(300)]
    for at in range(0, 300, 50):
        chosen = values[at : at + 50]
        send(shared, *(sample(name, "a", v, "distribution", at=now - source.uniform(0, 3500)) for v in chosen))
    fields = [f"{function}(value)" for function in ("count", "sum", "avg", "min", "max", "p50", "p95")]
    (by_second,) = rows(shared, fields, f"release:{name}", statsPeriod="100m")
    (by_hour,) = rows(shared, fields, f"release:{name}", statsPeriod="3h")
    assert by_second == pytest.approx(by_hour, rel=1e-12)
    expected = (300, sum(values), sum(values) / 300, min(values), max(values))
    assert [by_hour[field] for field in fields[:5]] == pytest.approx(expected, rel=1e-12)
    assert by_hour["p95(value)"] == pytest.approx(sorted(values)[284], rel=0.04)


def test_time_series(shared: Server, name: str) -> None:
    start = int(time.time()) // 60 * 60 - 120
    for game, value, at in (("a", 1, 5), ("a", 3, 8), ("b", 10, 5), ("a", 7, 65)):
        send(shared, sample(name, "rtp", value, unit="ratio", game=game, at=start + at))
    axis = "avg(value,rtp,gauge,ratio)"
    moments = [time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(start + at)) for at in (0, 120)]
    answer = shared.ask(
        "/events-timeseries/",
        **{"dataset": "tracemetrics", "yAxis": axis, "groupBy": "game", "interval": "1m", "query": f"release:{name}"},
        **dict(zip(("start", "end"), moments, strict=True)),
    )
    series = {entry["groupBy"][0]["value"]: entry for entry in answer["timeSeries"]}
    assert {game: [point["value"] for point in entry["values"]] for game, entry in series.items()} == {
        "a": [2, 7],
        "b": [10, 0],
    }
    assert series["a"]["yAxis"] == axis
    assert series["a"]["meta"]["valueUnit"] == "ratio"


@pytest.mark.parametrize(
    ("fields", "query", "says"),
    [
        (["count()"], "", "first argument is value"),
        (["avg(duration)"], "", "first argument is value"),
        (["last(value)"], "", "last is not one of count"),
        (["avg(value,a)"], "", "name, its type and its unit"),
        (["avg(value,a,timer,-)"], "", "'timer' is no type"),
        (["p95(value,a,gauge,-)"], "", "percentiles are of distributions"),
        (["avg(value,a,gauge,-)", "count(value)"], "", "do not go together"),
        (["value"], "", "single samples"),
        (["count_unique(value)"], "", "single samples"),
        (["avg(value)"], "value:3", "unknown key 'value'"),
        (["avg(value)"], "game:>3", "comparisons"),
        (["avg(value)"], "bets", "'bets'"),
    ],
)
def test_bad_queries_are_refused(shared: Server, fields: list[str], query: str, says: str) -> None:
    asked = {"dataset": "tracemetrics", "field": fields, "query": query, "statsPeriod": "1h"}
    refused = shared.call("GET", "/events/", params=asked)
    assert refused.status_code == 400
    assert says in refused.json()["detail"]


def test_samples_that_are_none_are_left_out_but_counted(shared: Server, name: str) -> None:
    good = sample(name, "a", 1)
    bad: list[Any] = [
        good | {"name": ""},
        good | {"type": "timer"},
        good | {"value": "1"},
        good | {"value": True},
        good | {"attributes": None},
        "no object",
    ]
    send(shared, good, *bad)
    assert rows(shared, ["count(value)"], f"release:{name}") == [{"count(value)": 1}]
    shared.sent(("trace_metric", {"items": "none"}))
    assert shared.send(b'{}\n{"type":"trace_metric"}\n[1]').status_code == 400


def test_which_attributes_tell_series_apart() -> None:
    many = {f"a{n}": str(n) for n in range(20)}
    user: dict[str, Any] = {
        "user.id": "7",
        "thread.id": 3,
        "price": 1.25,
        "list": [1],
        "paid": True,
        "level": 4,
        "empty": "",
    }
    (one,) = read({"items": [sample("a@1", "m", 1, **user)]}, "1", time.time())
    assert one.attributes == '{"level":"4","paid":"true"}'
    (one,) = read({"items": [sample("a@1", "m", 1, **many)]}, "1", time.time())
    assert one.attributes.count(":") == 8
    (one,) = read({"items": [sample("a@1", "m", 1, game="x" * 200)]}, "1", time.time())
    assert one.attributes == '{"game":"%s"}' % ("x" * 64)


def summed(batch: Batch) -> Iterator[tuple[dict[str, str], Stats]]:
    """The batch's metrics of the hour, as the reader sees them."""
    for key, _, fields in batch.stats():
        if ":3600:" in key:
            hash_ = {field.encode(): stats.pack() for field, stats in fields.items()}
            for row, stats in cells(keys.METRICS, [hash_], Place(frozenset(), frozenset())):
                yield dict(row), stats


def test_too_many_attributes_are_counted_as_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "METRICS_BYTES", 300)  # room for three
    monkeypatch.setattr(keys, "METRIC_SERIES_BYTES", 600)  # and for five with attributes
    batch = Batch({"server": Room.of(1)})
    for n in range(20):
        samples = read({"items": [sample("a@1", "bets", 2, "counter", player=str(n))]}, "1", time.time())
        batch.add(Records(time.time(), samples=samples))
    for n in range(20):
        batch.add(Records(time.time(), samples=read({"items": [sample("a@1", f"m{n}", 1)]}, "1", time.time())))
    found = list(summed(batch))
    assert len(found) <= 5 + 3 + 1
    assert sum(stats.total for row, stats in found if row["metric.name"] == "bets") == 40
    assert sum(stats.total for row, stats in found if row["metric.name"] == keys.OTHER) == 18
    assert sum(stats.count for _, stats in found) == 40


def test_stats() -> None:
    parts = [of_sample(value, at) for value, at in ((3.0, 10.0), (-1.0, 12.0), (8.0, 11.0))]
    whole = merged(parts)
    assert (whole.count, whole.total, whole.low, whole.high, whole.last, whole.at) == (3, 10.0, -1.0, 8.0, -1.0, 12.0)
    assert unpack(whole.pack()) == whole
    assert Stats().mean is None
    assert Stats().percentile(0.5) is None


def test_bins_of_values_are_in_their_order() -> None:
    sizes = [10**exponent * factor for exponent in range(-8, 20) for factor in (1.0, 3.3)]
    values = [*(-size for size in reversed(sizes)), 0.0, *sizes]
    bins = [value_bin(value) for value in values]
    assert bins == sorted(bins)
    for value, number in zip(values, bins, strict=True):
        assert value_middle(number) == pytest.approx(value, rel=0.04)
    assert value_bin(1e-12) == value_bin(-1e-12) == 0
    assert value_bin(1e300) == value_bin(1e40)
