"""Senders that sample: what their figures are extrapolated to, what of them was counted, and what is null when."""

import random
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from reelback_minisentry.stats import sampling

from tests.unit.minisentry.conftest import KEY, Server
from tests.unit.minisentry.payloads import FAILED, otlp, otlp_span, transaction

COUNTED = {"disableAggregateExtrapolation": "1"}
FIELDS = ["count()", "count_sample()", "failure_count()", "failure_rate()", "eps()", "sum(span.duration)"]


def ask(server: Server, fields: list[str], query: str, **more: Any) -> Any:
    query = f"is_transaction:true {query}"
    return server.ask("/events/", dataset="spans", field=fields, query=query, statsPeriod="1h", **more)


def row(server: Server, fields: list[str], release: str, **more: Any) -> dict[str, Any]:
    (found,) = ask(server, fields, f'release:"{release}"', **more)["data"]
    return dict(found)


def trace_header(sample_rate: object) -> Mapping[str, Any]:
    return {"trace": {"trace_id": "a" * 32, "public_key": "public", "sample_rate": sample_rate}}


def test_counts_stand_for_what_was_left_out(shared: Server, name: str) -> None:
    for status in ("ok", "ok", "ok", "internal_error"):
        shared.sent(("transaction", transaction(name, 10, status)), **trace_header("0.1"))
    shared.sent(("transaction", transaction(name, 20, "internal_error")))
    counted = row(shared, FIELDS, name, **COUNTED)
    assert counted["sum(span.duration)"] == pytest.approx(60, rel=0.04)
    whole = {field: counted[field] for field in FIELDS[:4]}
    assert whole == {"count()": 5, "count_sample()": 5, "failure_count()": 2, "failure_rate()": 0.4}
    extrapolated = row(shared, FIELDS, name)
    assert extrapolated["sum(span.duration)"] == pytest.approx(420, rel=0.04)
    whole = {field: extrapolated[field] for field in FIELDS[:4]}
    assert whole == {"count()": 41, "count_sample()": 5, "failure_count()": 11, "failure_rate()": 11 / 41}
    assert extrapolated["eps()"] / counted["eps()"] == pytest.approx(41 / 5)


def test_percentiles_are_weighted_and_extremes_are_not(shared: Server, name: str) -> None:
    for milliseconds, rate in ((10, "0.01"), (1000, "1")):
        for _ in range(10):
            shared.sent(("transaction", transaction(name, milliseconds)), **trace_header(rate))
    figures = ["p95(span.duration)", "avg(span.duration)", "min(span.duration)", "max(span.duration)"]
    plain = [pytest.approx(ms, rel=0.04) for ms in (1000, 505, 10, 1000)]
    assert list(row(shared, figures, name, **COUNTED).values()) == plain
    weighted = [pytest.approx(ms, rel=0.04) for ms in (10, 19.8, 10, 1000)]
    assert list(row(shared, figures, name).values()) == weighted


@pytest.mark.parametrize(
    ("sent", "weight"),
    [
        ("0.25", 4),
        (0.25, 4),
        (1, 1),
        ("1.0", 1),
        (0, 1),
        (1.5, 1),
        (-0.1, 1),
        ("nan", 1),
        ("often", 1),
        (True, 1),
        (None, 1),
    ],
)
def test_what_counts_as_a_rate_in_the_trace_header(shared: Server, name: str, sent: object, weight: int) -> None:
    shared.sent(("transaction", transaction(name, 1)), **trace_header(sent))
    assert row(shared, ["count()"], name) == {"count()": weight}


def test_otlp_names_its_rate_in_an_attribute_and_not_in_the_tracestate(shared: Server, name: str) -> None:
    def span(rate: AnyValue, **more: Any) -> bytes:
        found = otlp_span(name, **more)
        found.attributes.append(KeyValue(key="sentry.client_sample_rate", value=rate))
        return otlp(found)

    shared.exported(span(AnyValue(double_value=0.2), status=FAILED))
    shared.exported(span(AnyValue(int_value=1)))
    shared.exported(span(AnyValue(string_value="0.2")))
    shared.exported(otlp(otlp_span(name, trace_state="ot=th:c")))  # one in four, and Sentry does not read it
    assert row(shared, ["count()", "failure_count()"], name) == {"count()": 8, "failure_count()": 5}
    assert row(shared, ["count()"], name, **COUNTED) == {"count()": 4}


def test_a_span_item_names_its_rate_in_an_attribute(shared: Server, name: str) -> None:
    attributes = {
        "sentry.release": {"type": "string", "value": name},
        "sentry.client_sample_rate": {"type": "double", "value": 0.5},
    }
    item = {"trace_id": "b" * 32, "span_id": "c" * 16, "is_segment": True, "attributes": attributes}
    shared.sent(("span", {"items": [item | {"name": "Charge", "status": "ok"}]}), **trace_header("0.1"))
    assert row(shared, ["count()"], name) == {"count()": 2}


def test_what_is_null(shared: Server, name: str) -> None:
    fields = [
        "count()",
        "failure_count()",
        "failure_rate()",
        "p95(span.duration)",
        "eps()",
        "count_if(release,equals,a)",
    ]
    for more in (COUNTED, {}):
        assert row(shared, fields, name, **more) == {**dict.fromkeys(fields), "count()": 0}
        assert ask(shared, ["release", *fields], f"release:{name}", **more)["data"] == []
    shared.sent(("transaction", transaction(name, 10)))
    healthy = {"count()": 1, "failure_count()": 0, "failure_rate()": 0.0, "count_if(release,equals,a)": 0}
    assert healthy.items() <= row(shared, fields, name, **COUNTED).items()
    # Extrapolated, Sentry cannot tell no failure from nothing.
    none = {"count()": 1, "failure_count()": None, "failure_rate()": None, "count_if(release,equals,a)": None}
    assert none.items() <= row(shared, fields, name).items()


def test_how_sure_a_figure_is(shared: Server, name: str) -> None:
    fields = ["release", "count()", "failure_rate()", "count_sample()", "p50(span.duration)"]

    def confidence(**more: Any) -> Any:
        answer = ask(shared, fields, f"release:{name}", **more)
        assert answer["meta"]["dataScanned"] == "full"
        return answer["meta"]["accuracy"]["confidence"]

    shared.sent(("transaction", transaction(name, 10, "internal_error")), **trace_header("0.1"))
    low = {"count()": "low", "failure_rate()": "low", "count_sample()": None, "p50(span.duration)": "low"}
    assert confidence() == [low]
    assert confidence(**COUNTED) == [dict.fromkeys(low)]
    for _ in range(80):
        shared.sent(("transaction", transaction(name, 10)), **trace_header("0.1"))
    assert confidence() == [low | {"count()": "high", "p50(span.duration)": "high"}]
    series = shared.ask(
        "/events-timeseries/",
        dataset="spans",
        query=f"is_transaction:true release:{name}",
        statsPeriod="5m",
        interval="1h",
    )
    point = series["timeSeries"][0]["values"][-1]
    assert (point["value"], point["confidence"]) == (810, "high")
    assert (point["sampleCount"], point["sampleRate"]) == (81, pytest.approx(0.1))


def test_the_interval_holds_what_was_sampled() -> None:
    source = random.Random(3)
    inside = 0
    for _ in range(300):
        kept = sum(source.random() < 0.2 for _ in range(1000))
        found = sampling.summed([("0.2", kept)])
        inside += abs(found.weight - 1000) <= 1.96 * found.variance**0.5
    assert 270 <= inside <= 300


PROGRAM = """
import sys
import sentry_sdk
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

dsn, endpoint, release = sys.argv[1:]
kept = [0, 0]

class Marked(SpanProcessor):
    def on_start(self, span, parent_context=None):
        kept[1] += 1
        span.set_attributes({"sentry.release": release + "-otel", "sentry.client_sample_rate": 0.2})

def count(event, hint):
    kept[0] += 1
    return event

sentry_sdk.init(dsn=dsn, release=release, traces_sample_rate=0.25, before_send_transaction=count)
for _ in range(60):
    with sentry_sdk.start_transaction(name="Charge"):
        pass
sentry_sdk.flush()
provider = TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.2)))
provider.add_span_processor(Marked())
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(endpoint)))
for _ in range(60):
    with provider.get_tracer("test").start_as_current_span("Charge"):
        pass
provider.shutdown()
print(*kept)
"""


def test_the_real_senders_sample(shared: Server, name: str) -> None:
    endpoint = f"http://127.0.0.1:{shared.ingest_port}/api/1/integration/otlp/v1/traces/?sentry_key={KEY}"
    arguments = [sys.executable, "-c", PROGRAM, shared.dsn, endpoint, name]
    ran = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=True)
    by_sdk, by_otel = map(int, ran.stdout.split())
    assert by_sdk
    assert by_otel
    expected = {"count()": by_sdk * 4, "count_sample()": by_sdk}
    assert row(shared, ["count()", "count_sample()"], name) == expected
    expected = {"count()": by_otel * 5, "count_sample()": by_otel}
    assert row(shared, ["count()", "count_sample()"], f"{name}-otel") == expected
