"""From what SDKs send to records: segments, statuses, groups, clocks, and nonsense of every type."""

import random
import time
from contextlib import suppress
from typing import Any

import orjson
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from reelback_minisentry.ingest import envelope_items
from reelback_minisentry.ingest.envelope import Item
from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.spans import otlp as otlp_spans
from reelback_minisentry.spans import trace_tree
from reelback_minisentry.store.records import Records
from reelback_minisentry.store.records import Span as SpanRecord
from reelback_minisentry.untrusted import Rejected

from tests.unit.minisentry import payloads
from tests.unit.minisentry.payloads import FAILED, LOCAL, REMOTE, otlp, otlp_span, span_id, trace_id

NOW = time.time()


def read(*items: tuple[str, Any]) -> Records:
    return envelope_items.read({}, [Item(kind, {}, orjson.dumps(payload)) for kind, payload in items], "1", NOW)


def parse(body: bytes, project: str, now: float) -> list[SpanRecord]:
    """The spans of an OTLP request, as they are read back out of what is stored of them."""
    found = otlp_spans.read(body, project, now)
    spans = [span for _, line in found.lines for span in otlp_spans.stored_spans(orjson.loads(line))]
    counted = [(s.origin, s.name, s.status, s.start, s.end) for s in spans if s.segment]
    assert [(s.origin, s.name, s.status, s.start, s.end) for s in found.segments] == counted
    return spans


@pytest.mark.parametrize(
    ("fields", "segment"),
    [
        ({}, True),
        ({"parent_span_id": span_id(), "flags": REMOTE}, True),
        ({"parent_span_id": span_id(), "flags": LOCAL, "kind": Span.SPAN_KIND_SERVER}, False),
        ({"parent_span_id": span_id(), "flags": 0, "kind": Span.SPAN_KIND_SERVER}, True),
        ({"parent_span_id": span_id(), "flags": 0, "kind": Span.SPAN_KIND_CONSUMER}, True),
        ({"parent_span_id": span_id(), "flags": 0, "kind": Span.SPAN_KIND_CLIENT}, False),
    ],
)
def test_segments(fields: dict[str, Any], segment: bool) -> None:
    (span,) = parse(otlp(otlp_span("payment@1.0.0", **fields)), "1", NOW)
    assert span.segment is segment


def test_an_otlp_span() -> None:
    trace, parent = trace_id(), span_id()
    (span,) = parse(otlp(otlp_span("payment@1.0.0", trace_id=trace, parent_span_id=parent, status=FAILED)), "7", NOW)
    assert (span.trace_id, span.parent_id, span.status, span.name) == (trace, parent, "internal_error", "Charge")
    assert (span.origin.release, span.origin.environment, span.origin.project) == ("payment@1.0.0", "test", "7")
    assert span.service == "payment"
    assert span.end - span.start == pytest.approx(0.020, abs=1e-4)


def test_spans_without_ids_are_left_out_and_other_bytes_refused() -> None:
    assert parse(otlp(Span(name="x"), Span(name="y", trace_id=b"short", span_id=b"1")), "1", NOW) == []
    with pytest.raises(Rejected) as refused:
        parse(b"\xff\xff\xff", "1", NOW)
    assert refused.value.status == 400
    with pytest.raises(Rejected) as refused:
        parse(otlp(*[otlp_span("a@1")] * 10_001), "1", NOW)
    assert refused.value.status == 413


def test_a_span_that_is_too_long_is_stored_without_its_attributes() -> None:
    long = otlp_span("a@1")
    long.attributes.extend(payloads.text(f"key{n}", "x" * 1000) for n in range(100))
    line = otlp_spans.read(otlp(long), "1", NOW).lines[0][1]
    assert len(line) < 2000
    (span,) = otlp_spans.stored_spans(orjson.loads(line))
    assert (span.name, span.attributes, span.service) == ("Charge", {}, "payment")


def test_a_wrong_clock_counts_as_now_and_keeps_durations() -> None:
    year = 365 * 86_400
    times: list[Any] = [NOW - year, NOW + year, "nonsense", None, [], "2001-01-01"]
    events = [payloads.error("a@1", timestamp=at) for at in times]
    assert {error.at for error in read(*[("event", event) for event in events]).errors} == {NOW}
    (span,) = parse(otlp(otlp_span("a@1", start_time_unix_nano=10**9, end_time_unix_nano=3 * 10**9)), "1", NOW)
    assert (span.end, span.end - span.start) == (NOW, 2.0)


def test_a_transaction_and_the_spans_inside() -> None:
    event = payloads.transaction("payment@1.0.0", 30, "internal_error")
    trace = event["contexts"]["trace"]
    child = {
        "span_id": span_id(),
        "parent_span_id": trace["span_id"],
        "op": "db",
        "start_timestamp": NOW - 1,
        "timestamp": NOW,
    }
    (segment,) = read(("transaction", event | {"spans": [child, {}, 7]})).spans
    assert (segment.segment, segment.name, segment.status) == (True, "Charge", "internal_error")
    assert segment.end - segment.start == pytest.approx(0.030, abs=1e-4)
    (root,) = trace_tree.shape([orjson.loads(orjson.dumps([segment]))], ProjectNames({}))
    (found,) = root["children"]
    assert (root["event_id"], root["is_transaction"]) == (trace["span_id"], True)
    assert (found["event_id"], found["is_transaction"], found["op"]) == (child["span_id"], False, "db")
    assert found["duration"] == pytest.approx(1000)
    assert found["additional_attributes"]["release"] == "payment@1.0.0"


def test_a_span_item() -> None:
    span = {
        "trace_id": trace_id(),
        "span_id": span_id(),
        "is_segment": True,
        "name": "Charge",
        "status": "error",
        "start_timestamp": NOW - 1,
        "end_timestamp": NOW,
        "attributes": {"sentry.release": {"value": "payment@1.0.0", "type": "string"}},
    }
    (found,) = read(("span", {"items": [span, {"trace_id": 1}]})).spans
    assert (found.segment, found.status, found.origin.release) == (True, "internal_error", "payment@1.0.0")


def issue(**change: Any) -> int:
    return read(("event", payloads.error("payment@1.0.0") | change)).errors[0].issue


def test_groups() -> None:
    usual = issue()
    assert usual == issue(release="payment@2.0.0", timestamp=1, environment="other")
    assert usual == issue(fingerprint=["{{ default }}"])
    assert usual != issue(**payloads.error("x", kind="KeyError"))
    assert issue(fingerprint=["a"]) == issue(fingerprint=["a"], message="b") != usual
    assert issue(fingerprint=["a", "{{default}}"]) not in (usual, issue(fingerprint=["a"]))
    assert issue(exception=None, message="order 12 of 0xff lost") == issue(
        exception=None, message="order 7 of 0x1 lost"
    )
    assert issue(exception=None, logentry={"message": "order %s", "formatted": "order a"}) == issue(
        exception=None, logentry={"message": "order %s", "formatted": "order b"}
    )


def test_titles() -> None:
    def title(**event: Any) -> str:
        return read(("event", event)).errors[0].title

    assert title(exception={"values": [{"type": "A", "value": "cause"}, {"type": "B", "value": "b\nc"}]}) == "B: b"
    assert title(exception=[{"type": "A"}]) == "A"
    assert title(message="one\ntwo") == "one"
    assert title() == "<unlabeled event>"


def test_sessions() -> None:
    def session(**fields: Any) -> dict[str, Any]:
        return {"sid": "s", "started": NOW, "init": True, "attrs": {"release": "a@1", "environment": "test"}, **fields}

    states: list[dict[str, Any]] = [
        {"status": "exited"},
        {"status": "ok", "errors": 2},
        {"status": "crashed", "errors": 1},
        {"sid": ""},
    ]
    found = read(*[("session", session(**state)) for state in states]).sessions
    assert [one.outcome for one in found] == ["", "errored", "crashed"]
    (group,) = read(
        (
            "sessions",
            {"attrs": {"release": "a@1"}, "aggregates": [{"started": NOW, "exited": 5, "errored": -1, "odd": 3}]},
        )
    ).session_counts
    assert group.counts == {"exited": 5}


def test_what_is_only_counted() -> None:
    drops = {
        "discarded_events": [{"reason": "ratelimit_backoff", "category": "error", "quantity": 3}, {"quantity": 1}, 9]
    }
    records = read(("client_report", drops), ("check_in", {}), ("never heard of", "x"), ("log", {"items": []}))
    assert records.drops == {("ratelimit_backoff", "error"): 3, ("unknown", "unknown"): 1}
    assert records.items == {"client_report": 1, "check_in": 1, "unknown": 1, "log": 1}


def test_any_value_in_any_place() -> None:
    """Every field of every item, replaced by every kind of value: read, or refused with 400, and nothing else."""
    odd: list[Any] = [
        None,
        True,
        -1,
        1e308,
        2**63,
        "",
        "x" * 300,
        "\x1f\n",
        [],
        [[]],
        [None],
        {},
        {"values": 1},
        {"": {}},
    ]
    source = random.Random(5)

    def mutated(value: Any) -> Any:
        if source.random() < 0.15:
            return source.choice(odd)
        if isinstance(value, dict):
            return {key: mutated(child) for key, child in value.items()}
        return [mutated(child) for child in value] if isinstance(value, list) else value

    span = {"trace_id": trace_id(), "span_id": span_id(), "end_timestamp": 1, "attributes": {"a": {"value": 1}}}
    whole = {
        "event": payloads.error(
            "a@1",
            fingerprint=["x"],
            tags=[["a", "b"]],
            breadcrumbs={"values": [{"message": "m"}]},
            contexts={"trace": {"trace_id": trace_id(), "span_id": span_id()}, "flags": {"values": [{"flag": "f"}]}},
        ),
        "transaction": payloads.transaction("a@1", 3, spans=[{"span_id": span_id(), "data": {"a": 1}}]),
        "span": {"items": [span]},
        "session": {"sid": "s", "attrs": {"release": "a@1"}, "errors": 1},
        "sessions": {"attrs": {"release": "a@1"}, "aggregates": [{"started": 1, "exited": 1}]},
        "trace_metric": {"items": [{"name": "m", "type": "gauge", "value": 1, "attributes": {"a": {"value": "b"}}}]},
        "client_report": {"discarded_events": [{"reason": "r", "quantity": 1}]},
    }
    for _ in range(300):
        for kind, payload in whole.items():
            with suppress(Rejected):
                spans = read((kind, mutated(payload))).spans
                trace_tree.shape([orjson.loads(orjson.dumps(spans))], ProjectNames({}))
