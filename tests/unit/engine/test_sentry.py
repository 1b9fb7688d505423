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
from reelback_operator import sentry as sentry_module
from reelback_operator.engine.observations import Measurement, Question
from reelback_operator.engine.spec import MetricCheck
from reelback_operator.engine.status import Counts
from reelback_operator.sentry import Sentry, SentryError

from tests.unit.common.ports import free_port

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)
QUESTION = Question(("payment@1.4.0", "payment@1.5.0"), NOW, NOW + timedelta(seconds=10), NOW)
FIELDS = ["release", "count()", "failure_rate()", "p95(span.duration)"]
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
        path, query = url.path.removeprefix("/api/0/organizations/org/"), parse_qs(url.query)
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


async def test_one_query_counts_both_releases() -> None:
    rows = [
        {"release": "payment@1.4.0", "count()": 100, "failure_rate()": 0.01, "p95(span.duration)": 21.5},
        {"release": "payment@1.5.0", "count()": 3, "failure_rate()": 1 / 3, "p95(span.duration)": None},
    ]
    async with client_of(lambda path, query: data(*rows)) as (sentry, server):
        look = await sentry.look(QUESTION)
    assert look.traffic["payment@1.4.0"].counts == Counts(requests=100, failures=1)
    assert look.traffic["payment@1.4.0"].p95 == pytest.approx(0.0215)
    assert (look.traffic["payment@1.5.0"].counts.failures, look.traffic["payment@1.5.0"].p95) == (1, None)
    assert look.source == "spans"
    [(path, query)] = server.asked
    assert path == "events/"
    assert query == {
        "dataset": ["spans"],
        "field": FIELDS,
        "query": ["is_transaction:true release:[payment@1.4.0,payment@1.5.0]"],
        "environment": ["demo"],
        "start": ["2025-01-01T12:00:00Z"],
        "end": ["2025-01-01T12:00:10Z"],
    }


async def test_two_counts_where_failure_rate_is_broken() -> None:
    def script(path: str, query: dict[str, list[str]]) -> Answer:
        if "failure_rate()" in query["field"]:
            return 500, {}, '{"detail": "Internal error"}'
        if "!span.status:[ok,cancelled,unknown]" in query["query"][0]:
            return data({"release": "payment@1.5.0", "count()": 7})
        return data(*({"release": release, "count()": 40} for release in QUESTION.releases))

    async with client_of(script) as (sentry, server):
        for _ in range(2):
            look = await sentry.look(QUESTION)
            assert [look.traffic[release].counts.failures for release in QUESTION.releases] == [0, 7]
    assert sum("failure_rate()" in query["field"] for _, query in server.asked) == 1


async def test_without_spans_errors_and_sessions_are_counted_and_it_is_said() -> None:
    def script(path: str, query: dict[str, list[str]]) -> Answer:
        if path == "sessions/":
            groups = [{"by": {"release": "payment@1.5.0"}, "totals": {"sum(session)": 50}}]
            return 200, {}, json.dumps({"groups": groups})
        return data({"release": "payment@1.5.0", "count()": 4}) if query["dataset"] == ["errors"] else data()

    async with client_of(script) as (sentry, _):
        look = await sentry.look(QUESTION)
    assert look.source == "errors and sessions"
    assert look.traffic["payment@1.5.0"].counts == Counts(requests=50, failures=4)


SUCCESS = MetricCheck(
    type="Metric", name="payments", metric="payment.success_rate", kind="gauge", unit="ratio", window=20.0, min=0.9
)
BETS = MetricCheck(type="Metric", name="bets", metric="bets.count", kind="counter", aggregate="count", min=1.0)
METRICS = Question((), NOW, NOW, NOW, metrics=(SUCCESS, BETS))


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
        "environment": ["demo"],
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
        ((200, {}, '{"data": [{}]}'), "Sentry's answer has not the shape that its API promises: KeyError('release')"),
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
    monkeypatch.setattr(sentry_module, "REQUEST_SECONDS", 0.2)
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
        body = b'{"data": [{"release": "a@1.0.0", "count()": 1}]}'
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, Sentry(f"http://127.0.0.1:{port}", "org", "shop", "token", "demo") as sentry:
        await asyncio.gather(*(sentry.look(QUESTION) for _ in range(5)))
    assert most == 1
