"""The table of tests/telemetry_contract.py, held against the running stack."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from reelback_local.layout import values

from tests.local.stack import Player, Stack, until
from tests.telemetry_contract import EDGES, SERVICES, UNTRACED, Edge

WINDOW = {"statsPeriod": "1h"}


def by_release(rows: list[dict[str, Any]], field: str) -> dict[str, float]:
    """The sums of a field by service."""
    sums: dict[str, float] = {}
    for row in rows:
        service = row["release"].partition("@")[0]
        sums[service] = sums.get(service, 0) + row[field]
    return sums


def owing(signal: str) -> set[str]:
    return {name for name, service in SERVICES.items() if signal in service.signals}


def edges(spans: list[dict[str, Any]], caller: str = "") -> Iterator[Edge]:
    """The calls in a trace: a segment below a span of another service."""
    for span in spans:
        service = span["additional_attributes"]["service.name"]
        if caller and span["is_transaction"]:
            yield Edge(caller, service, span["name"])
        yield from edges(span["children"], service)


def test_the_table_names_the_services_and_calls_of_the_stack() -> None:
    services = {name: service for name, service in values.load().services.items() if name != "minisentry"}
    assert SERVICES.keys() == services.keys()
    calls = {(name, to) for name, service in services.items() for to in service.calls}
    assert {(edge.caller, edge.callee) for edge in EDGES if not edge.event} == calls - UNTRACED


def test_every_edge_is_in_a_trace(stack: Stack, player: Player) -> None:
    traces = [
        player.spin()[1],
        player.traced("GET", "wallet")[1],
        player.traced("GET", "preferences")[1],
        player.register()[1],
        player.traced("GET", "leaderboard")[1],
    ]
    # So many that analytics raises an alert.
    traces += [player.traced("POST", "deposits", request_id=f"deposit-{n}", amount=100)[1] for n in range(12)]

    missing: set[Edge] = set()

    def all_seen() -> bool:
        missing.clear()
        missing.update(EDGES - {edge for trace in traces for edge in edges(stack.sentry(f"trace/{trace}/"))})
        return not missing

    until(all_seen, f"these edges of the table: {missing}", 30)


def test_what_a_request_asks_of_mongodb_is_in_its_trace_without_the_content(stack: Stack, player: Player) -> None:
    trace = player.spin()[1]

    def commands(spans: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
        for span in spans:
            attributes = span["additional_attributes"]
            if attributes.get("db.system.name") == "mongodb":
                assert "db.query.text" not in attributes
                yield attributes["service.name"], span["name"]
            yield from commands(span["children"])

    def both() -> bool:
        seen = set(commands(stack.sentry(f"trace/{trace}/")))
        return {service for service, _ in seen} >= {"game", "payment"}

    until(both, "commands of game and payment", 20)


def test_every_service_sends_spans_with_its_release_and_environment(stack: Stack, player: Player) -> None:
    player.spin()
    stack.mails()
    stack.look()
    environment = values.load().environment

    def segments() -> bool:
        found = stack.sentry(
            "events/",
            dataset="spans",
            field=["release", "count()"],
            query="is_transaction:true",
            environment=environment,
            **WINDOW,
        )
        return {s for s, n in by_release(found["data"], "count()").items() if n} >= owing("spans")

    until(segments, "segments of every service", 20)


def test_every_service_counts_sessions(stack: Stack, player: Player) -> None:
    player.spin()
    stack.mails()
    stack.look()

    def sessions() -> bool:
        groups = stack.sentry("sessions/", field="sum(session)", groupBy="release", **WINDOW)["groups"]
        rows = [group["by"] | group["totals"] for group in groups]
        return {s for s, n in by_release(rows, "sum(session)").items() if n} >= owing("sessions")

    until(sessions, "sessions of every service", 30)


@pytest.mark.parametrize("name", sorted(owing("metrics")))
def test_a_service_sends_its_metrics(stack: Stack, player: Player, name: str) -> None:
    player.spin()

    def sent() -> bool:
        fields = ["release", "metric.name", "count(metric.name)"]
        found = stack.sentry("events/", dataset="tracemetrics", field=fields, **WINDOW)["data"]
        return any(row["release"].startswith(f"{name}@") for row in found)

    until(sent, f"metrics of {name}", 20)


@pytest.mark.parametrize("name", sorted(owing("logs")))
def test_every_service_logs_json_with_its_release(stack: Stack, name: str) -> None:
    lines = [json.loads(line) for line in stack.home.log(name).read_text().splitlines()]
    assert lines
    assert {line["service"] for line in lines} == {name}
    assert all(line["release"].startswith(f"{name}@") for line in lines)
    assert all({"time", "level", "logger", "message"} <= line.keys() for line in lines)


@pytest.fixture(params=sorted(owing("errors")))
def broken(request: pytest.FixtureRequest, stack: Stack) -> Iterator[str]:
    """A service with a second instance beside the good one, which raises at every call that can."""
    name: str = request.param
    variables = {"REELBACK_FAULTS": json.dumps({SERVICES[name].breaks_by: 1})}
    change = {"release": f"{name}@9.0.0", "env": variables}
    put = stack.ask("PUT", f"/workloads/{name}/candidate", json={"change": change, "replicas": 1, "owner": ""})
    assert put.status_code == 200, put.text
    until(lambda: len(stack.home.endpoints(name).read_text().split()) == 2, "the second instance serves")
    yield name
    assert stack.ask("DELETE", f"/workloads/{name}/candidate").status_code == 200
    until(lambda: f"{name}-candidate" not in stack.processes(), "the second instance has gone")


def test_an_exception_is_one_event_with_its_trace_and_a_failed_segment(
    stack: Stack, player: Player, broken: str
) -> None:
    def failed() -> str | None:
        status, trace = player.spin()
        return trace if status >= 500 else None

    trace = until(failed, "a request that fails")
    release = f"{broken}@9.0.0"
    errors = {"dataset": "errors", "query": f"release:{release}", **WINDOW}

    segments = {"dataset": "spans", "query": f"is_transaction:true release:{release}", **WINDOW}

    def equal() -> bool:
        (spans,) = stack.sentry("events/", field=["count()", "failure_rate()"], **segments)["data"]
        (events,) = stack.sentry("events/", field="count()", **errors)["data"]
        failed_segments = round(spans["count()"] * (spans["failure_rate()"] or 0))
        return bool(failed_segments == events["count()"] > 0)

    until(equal, "as many failed segments as events", 20)
    rows = stack.sentry("events/", field=["trace", "title"], sort="timestamp", per_page=100, **errors)["data"]
    assert trace in {row["trace"] for row in rows}

    logs = [log.read_text().splitlines() for log in stack.home.log(broken).parent.glob(f"{broken}-candidate*.log")]
    lines = [json.loads(line) for log in logs for line in log]
    assert any(line.get("trace_id") == trace and line["level"] == "ERROR" for line in lines)
