"""The client of Sentry's API against a server that answers, and misbehaves, in Sentry's ways."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from reelback_operator.engine.model.observations import Issue, Measurement, Question
from reelback_operator.engine.model.spec import MetricCheck, SlowRateCheck
from reelback_operator.engine.model.status import Counts
from reelback_operator.sentry import Sentry, SentryError
from reelback_operator.sentry import api as api_module

from tests.unit.common.ports import free_port

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
OLD, NEW = "payment@1.4.0", "payment@1.5.0"
QUESTION = Question(NOW, NOW + timedelta(seconds=10), NOW, releases=(OLD, NEW))
Answer = tuple[int, dict[str, str], str]


@dataclass
class Scripted:
    """An HTTP server that answers what `script` says to path and query, and remembers what it was asked."""

    script: Callable[[str, dict[str, list[str]]], Answer]
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)
    serving: list[asyncio.Task[None] | None] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.serving.append(asyncio.current_task())
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        url = urlsplit(head.split(" ")[1])
        path, query = url.path.removeprefix("/api/0/organizations/org/"), parse_qs(url.query, keep_blank_values=True)
        self.asked.append((path, query))
        await self.go.wait()
        status, headers, body = self.script(path, query)
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        writer.write(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        writer.close()


@asynccontextmanager
async def client_of(script: Callable[[str, dict[str, list[str]]], Answer]) -> AsyncIterator[tuple[Sentry, Scripted]]:
    scripted = Scripted(script)
    scripted.go.set()
    server = await asyncio.start_server(scripted.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Sentry(f"http://127.0.0.1:{port}", "org", "shop", "secret-token", "demo") as sentry:
        yield sentry, scripted
        scripted.go.set()
        await asyncio.gather(*filter(None, scripted.serving))


def data(*rows: dict[str, Any]) -> Answer:
    return 200, {}, json.dumps({"data": rows})


def served(release: str, requests: int, failures: float | None, **more: Any) -> dict[str, Any]:
    sample = {"count_sample()": requests}
    return {"release": release, "count()": requests, "failure_count()": failures, **sample, **more}


async def test_one_query_counts_both_releases_as_they_were_counted() -> None:
    rows = [served(OLD, 100, 1), served(NEW, 3, 0)]
    async with client_of(lambda path, query: data(*rows)) as (sentry, server):
        look = await sentry.look(QUESTION)
    assert look.traffic == {OLD: Counts(requests=100, failures=1), NEW: Counts(requests=3)}
    assert look.source == "spans"
    (path, query), (_, sampling) = server.asked
    assert path == "events/"
    assert query == {
        "dataset": ["spans"],
        "field": ["release", "count()", "failure_count()"],
        "query": ['is_transaction:true release:["payment@1.4.0","payment@1.5.0"]'],
        "project": ["shop"],
        "environment": ["demo"],
        "start": ["2025-01-01T12:00:00Z"],
        "end": ["2025-01-01T12:00:10Z"],
        "disableAggregateExtrapolation": ["1"],
        "sampling": ["HIGHEST_ACCURACY"],
    }
    assert (sampling["field"], sampling["disableAggregateExtrapolation"]) == (
        ["release", "count()", "count_sample()"],
        ["0"],
    )


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (served(NEW, 500, 1000), "1000 failures in 500 requests are impossible"),
        (served(NEW, 500, None), "no figure for failure_count(): None"),
        ({"release": NEW, "count()": 5}, "no figure for failure_count(): None"),
        ({"release": NEW, "failure_count()": 5, "count()": None}, "no figure for count()"),
        (served(NEW, 500, float("nan")), "no figure for failure_count(): nan"),
        (served(NEW, 500, -1), "counts -1 for failure_count()"),
    ],
)
async def test_what_is_no_figure_is_an_error_and_never_health(row: dict[str, Any], message: str) -> None:
    async with client_of(lambda path, query: data(row)) as (sentry, _):
        with pytest.raises(SentryError) as caught:
            await sentry.look(QUESTION)
    assert message in str(caught.value)


async def test_an_answer_from_a_part_of_the_data_is_an_error() -> None:
    partial = {"data": [served(NEW, 5, 0)], "meta": {"dataScanned": "partial"}}
    async with client_of(lambda path, query: (200, {}, json.dumps(partial))) as (sentry, _):
        with pytest.raises(SentryError, match="a part of its data"):
            await sentry.look(QUESTION)


def nothing(path: str, query: dict[str, list[str]]) -> Answer:
    return (200, {}, '{"groups": []}') if path == "sessions/" else data()


async def test_a_release_that_ends_the_query_early_is_taken_as_it_is() -> None:
    name = 'pay" OR release:"*\\'
    asked = Question(NOW, NOW, NOW, releases=(name,))
    async with client_of(nothing) as (sentry, server):
        await sentry.look(asked)
    assert server.asked[0][1]["query"] == [r'is_transaction:true release:["pay\" OR release:\"\*\\"]']


async def test_each_project_is_asked_for_its_releases() -> None:
    asked = Question(NOW, NOW, NOW, releases=(OLD, "user@1"), projects={"user@1": "accounts"})
    async with client_of(nothing) as (sentry, server):
        await sentry.look(asked)
    found = {(query["project"][0], query["query"][0]) for path, query in server.asked if path == "events/"}
    assert ("shop", 'is_transaction:true release:["payment@1.4.0"]') in found
    assert ("accounts", 'is_transaction:true release:["user@1"]') in found


async def test_slow_requests_percentiles_and_what_came_late_are_asked_for() -> None:
    slow = SlowRateCheck(type="SlowRate", name="slow", slower_than=0.5)
    field = "count_if(span.duration,greater,500)"

    def script(path: str, query: dict[str, list[str]]) -> Answer:
        short = query["end"] == ["2025-01-01T12:00:04Z"]
        return data(served(NEW, 4 if short else 9, 0, **{field: 2, "p95(span.duration)": 1500.0}))

    asked = Question(
        NOW,
        NOW + timedelta(seconds=10),
        NOW,
        releases=(NEW,),
        slow=(slow,),
        recount=NOW + timedelta(seconds=4),
        latency_since=NOW + timedelta(seconds=2),
    )
    async with client_of(script) as (sentry, _):
        look = await sentry.look(asked)
    assert look.slow == {"slow": {NEW: Counts(requests=9, failures=2)}}
    assert look.recounted == {NEW: 4}
    assert (look.latency[NEW].p95, look.latency[NEW].requests) == (1.5, 9)


async def test_the_share_that_clients_send_is_shown() -> None:
    def script(path: str, query: dict[str, list[str]]) -> Answer:
        weighed = query["disableAggregateExtrapolation"] == ["0"]
        return data({**served(NEW, 10, 0), "count()": 100 if weighed else 10})

    async with client_of(script) as (sentry, _):
        look = await sentry.look(QUESTION)
    assert (look.traffic[NEW].requests, look.sampled[NEW]) == (10, 0.1)


async def test_two_counts_where_failures_cannot_be_counted() -> None:
    def script(path: str, query: dict[str, list[str]]) -> Answer:
        if "failure_count()" in query["field"]:
            return 500, {}, '{"detail": "Internal error"}'
        if "!span.status:[ok,cancelled,unknown]" in query["query"][0]:
            return data({"release": NEW, "count()": 7})
        return data(*({"release": release, "count()": 40, "count_sample()": 40} for release in QUESTION.releases))

    async with client_of(script) as (sentry, server):
        for _ in range(2):
            look = await sentry.look(QUESTION)
            assert [look.traffic[release].failures for release in QUESTION.releases] == [0, 7]
    assert sum("failure_count()" in query["field"] for _, query in server.asked) == 1


async def test_without_spans_errors_and_sessions_are_counted_by_the_hour_and_it_is_said() -> None:
    def script(path: str, query: dict[str, list[str]]) -> Answer:
        if path == "sessions/":
            groups = [
                {"by": {"release": NEW, "session.status": status}, "totals": {"sum(session)": count}}
                for status, count in (("healthy", 45), ("crashed", 3), ("unhandled", 2))
            ]
            return 200, {}, json.dumps({"groups": groups})
        return data({"release": NEW, "count()": 4}) if query["dataset"] == ["errors"] else data()

    asked = Question(NOW + timedelta(minutes=5), NOW + timedelta(minutes=6), NOW, releases=(NEW,), sessions=True)
    async with client_of(script) as (sentry, server):
        look = await sentry.look(asked)
    assert look.source == "errors and sessions"
    assert look.traffic[NEW] == Counts(requests=50, failures=4)
    assert look.sessions[NEW] == Counts(requests=50, failures=5)
    hours = {(query["start"][0], query["end"][0]) for path, query in server.asked if path == "sessions/"}
    assert hours == {("2025-01-01T12:00:00Z", "2025-01-01T13:00:00Z")}


async def test_an_issue_has_the_events_of_this_run() -> None:
    def script(path: str, query: dict[str, list[str]]) -> Answer:
        if path == "issues/":
            issues = [{"id": name, "title": name, "permalink": f"u/{name}", "count": "99"} for name in ("7", "8")]
            return 200, {}, json.dumps(issues)
        return data({"issue.id": 7, "count()": 3})

    asked = Question(NOW, NOW, NOW, issues_of=(NEW,))
    async with client_of(script) as (sentry, server):
        look = await sentry.look(asked)
    assert look.issues == {NEW: [Issue("7", "u/7", 3)]}, "the other one had none"
    assert server.asked[0][1]["query"] == ['first-release:"payment@1.5.0" level:[error,fatal]']


SUCCESS = MetricCheck(
    type="Metric", name="payments", metric="payment.success_rate", kind="gauge", unit="ratio", window=20.0, min=0.9
)
BETS = MetricCheck(type="Metric", name="bets", metric="bets.count", kind="counter", aggregate="count", min=1.0)
METRICS = Question(NOW, NOW, NOW, metrics=(SUCCESS, BETS))


async def test_each_metric_is_asked_for_by_itself() -> None:
    def script(path: str, query: dict[str, list[str]]) -> Answer:
        return data({field: 0.875 if field.startswith("avg") else 4 for field in query["field"]})

    async with client_of(script) as (sentry, server):
        look = await sentry.look(METRICS)
    assert look.metrics == {"payments": Measurement(0.875, 4), "bets": Measurement(4.0, 4)}
    (path, query), (_, second) = server.asked
    assert path == "events/"
    assert query == {
        "dataset": ["tracemetrics"],
        "field": ["avg(value,payment.success_rate,gauge,ratio)", "count(value,payment.success_rate,gauge,ratio)"],
        "query": [""],
        "project": ["shop"],
        "environment": ["demo"],
        "disableAggregateExtrapolation": ["1"],
        "sampling": ["HIGHEST_ACCURACY"],
        "start": ["2025-01-01T11:59:40Z"],
        "end": ["2025-01-01T12:00:00Z"],
    }
    assert (second["field"], second["start"]) == (["count(value,bets.count,counter,-)"], ["2025-01-01T11:59:50Z"])


@pytest.mark.parametrize("average", [{}, {"avg(value,payment.success_rate,gauge,ratio)": None}])
@pytest.mark.parametrize("count", [{}, {"count(value,payment.success_rate,gauge,ratio)": 0}])
async def test_a_metric_that_nobody_sent_is_no_data(average: dict[str, Any], count: dict[str, Any]) -> None:
    async with client_of(lambda path, query: data({**average, **count})) as (sentry, _):
        assert (await sentry.look(METRICS)).metrics == {}
    async with client_of(lambda path, query: data()) as (sentry, _):
        assert (await sentry.look(METRICS)).metrics == {}


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ((401, {}, '{"detail": "Invalid token"}'), "Sentry refuses the token (401): Invalid token"),
        ((403, {}, "<html>"), "Sentry refuses the token (403): X"),
        ((429, {"Retry-After": "7"}, ""), "Sentry limits the rate of requests (429), for 7 s"),
        ((503, {}, ""), "Sentry answers 503 to GET /api/0/organizations/org/events/: X"),
        ((200, {}, "<html>"), "Sentry's answer is not JSON (events/)"),
        ((200, {}, '{"data": "?"}'), "Sentry's answer has not the shape that its API promises"),
        ((200, {}, '{"data": [{}]}'), "Sentry's answer has not the shape that its API promises: 'count()'"),
    ],
)
async def test_a_failure_is_one_clear_line(answer: Answer, message: str) -> None:
    async with client_of(lambda path, query: answer) as (sentry, _):
        with pytest.raises(SentryError) as caught:
            await sentry.look(QUESTION)
    assert str(caught.value) == message
    assert "secret-token" not in message


async def test_after_a_rate_limit_nothing_is_asked_until_it_ends() -> None:
    reset = {"X-Sentry-Rate-Limit-Reset": str(int(time.time()) + 100)}
    async with client_of(lambda path, query: (429, reset, "")) as (sentry, server):
        for _ in range(3):
            with pytest.raises(SentryError) as caught:
                await sentry.look(QUESTION)
    assert len(server.asked) == 1
    assert caught.value.status == 429


async def test_a_sentry_that_is_slow_or_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_module, "REQUEST_SECONDS", 0.2)
    async with client_of(lambda path, query: data()) as (sentry, server):
        server.go.clear()
        with pytest.raises(SentryError, match="did not answer within"):
            await sentry.look(QUESTION)
    async with Sentry(f"http://127.0.0.1:{free_port()}", "org", "shop", "token", "demo") as sentry:
        with pytest.raises(SentryError, match="Sentry cannot be reached"):
            await sentry.look(QUESTION)


async def test_a_kept_connection_that_was_closed_is_no_failure() -> None:
    answered: list[asyncio.Task[None] | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answered.append(asyncio.current_task())
        writer.write(b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}")
        await reader.read(1)  # the next request, or the end
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Sentry(f"http://127.0.0.1:{port}", "org", "shop", "token", "demo") as sentry:
        with pytest.raises(SentryError, match="Sentry answers 500"):
            await sentry.look(QUESTION)
    await asyncio.gather(*filter(None, answered))
    assert len(answered) == 2


async def test_one_request_is_in_flight() -> None:
    busy = most = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal busy, most
        await reader.readuntil(b"\r\n\r\n")
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.01)
        busy -= 1
        body = b'{"data": [{"release": "a@1.0.0", "count()": 1, "failure_count()": 0, "count_sample()": 1}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Sentry(f"http://127.0.0.1:{port}", "org", "shop", "token", "demo") as sentry:
        await asyncio.gather(*(sentry.look(QUESTION) for _ in range(5)))
    assert most == 1
