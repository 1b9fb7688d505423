"""What reaches the backend from three processes in a row: one trace, one event an exception, nothing secret."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from websockets.sync.client import connect

from tests.unit.common.collector import ReceivedSpan
from tests.unit.common.conftest import Chain, chain_of

SERVER, CLIENT = 2, 3
ERROR = 2
TRACE, PARENT = "0123456789abcdef0123456789abcdef", "0123456789abcdef"


def spin(chain: Chain, bet: int, headers: dict[str, str] | None = None) -> Any:
    return httpx2.post(f"{chain.url}/spins/{bet}", headers=headers).json()


def whole(chain: Chain, trace_id: str, spans: int) -> list[ReceivedSpan]:
    """The spans of a trace once there are as many."""
    return chain.collector.wait(lambda: len(t := chain.collector.trace(trace_id)) >= spans and t)


def shape(spans: list[ReceivedSpan], root: str = "") -> list[tuple[str, str, int]]:
    """Service, name and kind from the root down, depth first in the order of names."""
    below = sorted((s for s in spans if s.parent_id == root), key=lambda s: s.name)
    return [row for s in below for row in ((s.service, s.name, s.kind), *shape(spans, s.span_id))]


def test_a_request_is_one_trace_through_http_unary_and_streaming_calls(chain: Chain) -> None:
    answer = spin(chain, 10)
    spans = whole(chain, answer["trace_id"], 9)
    assert shape(spans) == [
        ("front", "POST /spins/{bet}", SERVER),
        ("front", "reelback.v1.Game/Spin", CLIENT),
        ("middle", "reelback.v1.Game/Spin", SERVER),
        ("middle", "reelback.v1.Payment/Charge", CLIENT),
        ("back", "reelback.v1.Payment/Charge", SERVER),
        ("middle", "reelback.v1.Payment/GetWallet", CLIENT),
        ("back", "reelback.v1.Payment/GetWallet", SERVER),
        ("middle", "reelback.v1.Payment/ListEntries", CLIENT),
        ("back", "reelback.v1.Payment/ListEntries", SERVER),
    ]
    assert {(s.kind, s.segment) for s in spans} == {(SERVER, True), (CLIENT, False)}
    assert {s.status for s in spans} == {0}
    assert {(s.service, s.attributes["sentry.release"], s.attributes["sentry.environment"]) for s in spans} == {
        (role, f"{role}@1.0.0", "test") for role in ("front", "middle", "back")
    }
    charge = next(s for s in spans if s.service == "back" and s.name.endswith("Charge"))
    assert (
        charge.attributes
        | {
            "rpc.system": "grpc",
            "rpc.service": "reelback.v1.Payment",
            "rpc.method": "Charge",
            "rpc.grpc.status_code": 0,
            "user.id": "p1",
        }
        == charge.attributes
    )


def test_streams_of_requests_are_spans_as_well(chain: Chain) -> None:
    answer = httpx2.get(f"{chain.url}/streams/1").json()
    assert answer["joined"] == "123"
    assert shape(whole(chain, answer["trace_id"], 7))[2:] == [
        ("middle", "reelback.v1.Game/ListRounds", SERVER),
        ("middle", "test.Streams/Echo", CLIENT),
        ("back", "test.Streams/Echo", SERVER),
        ("middle", "test.Streams/Total", CLIENT),
        ("back", "test.Streams/Total", SERVER),
    ]


def test_an_exception_in_the_middle_of_a_stream_is_one_event(chain: Chain) -> None:
    answer = httpx2.get(f"{chain.url}/streams/12").json()
    failed = next(s for s in whole(chain, answer["trace_id"], 5) if s.service == "back")
    assert (failed.name, failed.status) == ("test.Streams/Echo", ERROR)
    events = [e for e in chain.collector.of("event") if e["contexts"]["trace"]["span_id"] == failed.span_id]
    assert [e["transaction"] for e in events] == ["test.Streams/Echo"]


@pytest.mark.parametrize(
    "headers",
    [
        {"sentry-trace": f"{TRACE[:-1]}1-{PARENT}-1", "baggage": "sentry-environment=test,other=kept"},
        {"traceparent": f"00-{TRACE[:-1]}2-{PARENT}-01", "baggage": "other=kept"},
    ],
    ids=["sentry-trace", "traceparent"],
)
def test_either_family_of_headers_is_continued_and_both_are_sent_on(chain: Chain, headers: dict[str, str]) -> None:
    answer = spin(chain, 10, headers)
    trace_id = answer["trace_id"]
    assert trace_id in next(iter(headers.values()))
    root = next(s for s in whole(chain, trace_id, 9) if s.service == "front" and s.kind == SERVER)
    assert (root.parent_id, root.segment) == (PARENT, True)
    sent = dict(pair.split("=", 1) for pair in answer["headers"].splitlines())
    assert sent["sentry-trace"].startswith(f"{trace_id}-")
    assert sent["sentry-trace"].endswith("-1")
    assert re.fullmatch(rf"00-{trace_id}-[0-9a-f]{{16}}-01", sent["traceparent"])
    assert "other=kept" in sent["baggage"]


def test_each_message_of_a_websocket_is_a_request_of_its_own(chain: Chain) -> None:
    with connect(f"{chain.url.replace('http', 'ws')}/play") as socket:
        answers = []
        for trace in (None, None, {"sentry-trace": f"{TRACE[:-1]}3-{PARENT}-1"}):
            socket.send(json.dumps({"bet": 10, "trace": trace}))
            answers.append(json.loads(socket.recv()))
    ids = [answer["trace_id"] for answer in answers]
    assert len(set(ids)) == 3
    assert ids[2] == f"{TRACE[:-1]}3"
    for trace_id in ids:
        root = next(s for s in whole(chain, trace_id, 9) if s.service == "front" and s.kind == SERVER)
        assert (root.name, root.segment, root.status) == ("WS spin", True, 0)


def test_a_websocket_continues_the_trace_of_its_handshake(chain: Chain) -> None:
    trace_id = f"{TRACE[:-1]}4"
    headers = {"traceparent": f"00-{trace_id}-{PARENT}-01"}
    with connect(f"{chain.url.replace('http', 'ws')}/play", additional_headers=headers) as socket:
        socket.send(json.dumps({"bet": 10}))
        assert json.loads(socket.recv())["trace_id"] == trace_id
    root = next(s for s in whole(chain, trace_id, 9) if s.service == "front" and s.kind == SERVER)
    assert (root.parent_id, root.segment) == (PARENT, True)


def test_an_exception_of_a_handler_is_one_event_where_it_happened(chain: Chain) -> None:
    answer = spin(chain, 13)
    assert answer["code"] == "UNKNOWN"
    spans = whole(chain, answer["trace_id"], 5)
    assert {(s.service, s.kind, s.status) for s in spans} == {
        (service, kind, ERROR)
        for service, kind in [("front", 2), ("front", 3), ("middle", 2), ("middle", 3), ("back", 2)]
    }
    events = [e for e in chain.collector.of("event") if e["contexts"]["trace"]["trace_id"] == answer["trace_id"]]
    assert len(events) == 1
    event = events[0]
    failed = next(s for s in spans if s.service == "back")
    assert event["contexts"]["trace"]["span_id"] == failed.span_id
    assert (event["release"], event["environment"]) == ("back@1.0.0", "test")
    assert event["transaction"] == "reelback.v1.Payment/Charge"
    assert event["user"] == {"id": "p1"}
    (exception,) = event["exception"]["values"]
    assert exception["type"] == "ValueError"
    assert exception["mechanism"]["handled"] is False
    assert [f["function"] for f in exception["stacktrace"]["frames"]][-1] == "Charge"


def test_an_evaluated_fault_is_on_the_event(chain: Chain) -> None:
    answer = spin(chain, 13)
    event = chain.collector.wait(
        lambda: [e for e in chain.collector.of("event") if e["contexts"]["trace"]["trace_id"] == answer["trace_id"]]
    )[0]
    assert event["contexts"]["flags"]["values"] == [{"flag": "payment.charge.latency_ms", "result": True}]
    assert event["contexts"]["faults"] == {"payment.charge.latency_ms": 1.0}


def test_an_unhandled_exception_in_http_is_one_event_and_the_page_knows_its_trace(chain: Chain) -> None:
    response = httpx2.get(f"{chain.url}/boom")
    assert response.status_code == 500
    trace_id = response.json()["trace_id"]
    (span,) = whole(chain, trace_id, 1)
    assert (span.name, span.status, span.attributes["http.response.status_code"]) == ("GET /boom", ERROR, 500)
    events = [e for e in chain.collector.of("event") if e["contexts"]["trace"]["trace_id"] == trace_id]
    assert [(e["transaction"], e["contexts"]["trace"]["span_id"]) for e in events] == [("GET /boom", span.span_id)]


def test_a_callers_mistake_is_not_a_failure_of_the_server(chain: Chain) -> None:
    answer = spin(chain, 14)
    assert answer["code"] == "FAILED_PRECONDITION"
    spans = whole(chain, answer["trace_id"], 5)
    assert {s.status for s in spans if s.kind == SERVER} == {0}
    assert {s.attributes["rpc.grpc.status_code"] for s in spans if "rpc.method" in s.attributes} == {9}
    httpx2.get(f"{chain.url}/missing")
    missing = chain.collector.wait(lambda: [s for s in chain.collector.spans if s.name == "GET /missing"])
    assert missing[0].status == 0
    assert not [e for e in chain.collector.of("event") if e["contexts"]["trace"]["trace_id"] == answer["trace_id"]]


def test_who_refuses_to_be_known_is_known_to_no_service_behind(chain: Chain) -> None:
    answer = spin(chain, 13, {"Sec-GPC": "1"})
    spans = whole(chain, answer["trace_id"], 5)
    (event,) = [e for e in chain.collector.of("event") if e["contexts"]["trace"]["trace_id"] == answer["trace_id"]]
    assert event["tags"]["consent"] == "no"
    assert "user" not in event
    assert not [span for span in spans if "user.id" in span.attributes]


def test_probes_and_reflection_make_no_spans(chain: Chain) -> None:
    """The fixture has asked every process for its health; what came before a spin is there once the spin is."""
    httpx2.get(f"{chain.url}/healthz")
    whole(chain, spin(chain, 10)["trace_id"], 9)
    names = {span.name for span in chain.collector.spans}
    assert not [name for name in names if name.startswith("grpc.") or "healthz" in name or "readyz" in name]


def test_logs_are_json_with_the_trace_and_nothing_secret_leaves(chain: Chain) -> None:
    trace_id = spin(chain, 10)["trace_id"]
    lines = [json.loads(line) for line in chain.back.log.read_text().splitlines()]
    line = next(x for x in lines if x.get("trace_id") == trace_id)
    assert line["message"] == "charged, password=[scrubbed] of [email]"
    assert (line["level"], line["logger"], line["service"], line["release"]) == ("INFO", "chain", "back", "back@1.0.0")
    assert line["span_id"] in {s.span_id for s in whole(chain, trace_id, 9)}
    sent = chain.collector.wait(
        lambda: [i for log in chain.collector.of("log") for i in log["items"] if i.get("trace_id") == trace_id]
    )
    assert sent[0]["body"] == line["message"]
    everything = json.dumps(chain.collector.items) + chain.back.log.read_text() + chain.front.log.read_text()
    assert "ada@example.org" not in everything
    # What is left is the line of this program's own source that an event quotes.
    assert "hunter2" not in everything.replace('SECRET = \\"password=hunter2 of', "")


def test_sessions_are_counted_by_release_and_end_with_the_process(chain: Chain) -> None:
    """The last test of the chain: it ends it."""
    spin(chain, 10)
    spin(chain, 13)
    assert [p.end() for p in (chain.front, chain.middle, chain.back)] == [0, 0, 0]
    sums: dict[str, dict[str, int]] = {}
    for item in chain.collector.of("sessions"):
        into = sums.setdefault(item["attrs"]["release"], {})
        for row in item["aggregates"]:
            for status in ("exited", "crashed"):
                into[status] = into.get(status, 0) + row.get(status, 0)
    segments = [s for s in chain.collector.spans if s.kind == SERVER]
    for role in ("front", "middle", "back"):
        assert sum(sums[f"{role}@1.0.0"].values()) == sum(s.service == role for s in segments)
    assert sums["back@1.0.0"]["crashed"] == len(
        [e for e in chain.collector.of("event") if e["release"] == "back@1.0.0"]
    )
    # Each exception was handed to the SDK once: it had no second one to drop.
    lost = [drop for report in chain.collector.of("client_report") for drop in report["discarded_events"]]
    assert [drop for drop in lost if drop["reason"] == "event_processor"] == []


def test_of_a_request_that_was_not_drawn_its_failure_is_sent_by_every_service_that_failed(tmp_path: Path) -> None:
    with chain_of(tmp_path, TRACES_SAMPLE_RATE="0") as chain:
        good = [spin(chain, 10, {"traceparent": f"00-{TRACE}-{PARENT}-01"})["trace_id"] for _ in range(5)]
        failed = spin(chain, 13)
        spans = whole(chain, failed["trace_id"], 3)
        assert chain.front.end() == chain.middle.end() == chain.back.end() == 0  # whatever they had is sent by now
        assert {(s.service, s.kind, s.status) for s in spans} == {
            (service, SERVER, ERROR) for service in ("front", "middle", "back")
        }
        assert {s.attributes["sentry.client_sample_rate"] for s in spans} == {1.0}
        assert len(chain.collector.spans) == 3, good
        (event,) = chain.collector.of("event")
        assert event["contexts"]["trace"]["trace_id"] == failed["trace_id"]
