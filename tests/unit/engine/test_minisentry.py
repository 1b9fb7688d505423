"""The client of Sentry's API against minisentry as it runs."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from reelback_operator.engine.model.actions import MarkDeploy, MarkRelease
from reelback_operator.engine.model.observations import Measurement, Question
from reelback_operator.engine.model.spec import (
    Commit,
    IssueEvidence,
    MetricCheck,
    ProfileFunctionEvidence,
    SessionsEvidence,
    SlowRateCheck,
    SpanEvidence,
    TraceEvidence,
)
from reelback_operator.engine.model.status import Counts
from reelback_operator.sentry import Sentry, SentryError

from tests.unit.minisentry.conftest import TOKEN, Server
from tests.unit.minisentry.payloads import FAILED, REMOTE, error, otlp, otlp_span, profile

NOW = datetime(2025, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def minisentry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """minisentry on a Redis of its own."""
    server = Server(tmp_path_factory.mktemp("minisentry"))
    try:
        server.start_redis()
        server.start()
        yield server
    finally:
        server.close()


def connect(server: Server, token: str = TOKEN) -> Sentry:
    return Sentry(f"http://127.0.0.1:{server.port}", "reelback", "reelback", token, "test")


async def test_minisentry_counts_and_names_the_failures(minisentry: Server) -> None:
    name = f"s{uuid.uuid4().hex[:8]}"
    old, new = f"{name}@1.4.0", f"{name}@1.5.0"
    began = datetime.now(UTC).replace(microsecond=0)
    spans = [otlp_span(old) for _ in range(30)] + [otlp_span(new) for _ in range(6)]
    spans += [otlp_span(new, status=FAILED) for _ in range(4)]
    minisentry.exported(otlp(*spans))
    trace = {"trace": {"trace_id": "ab" * 16, "span_id": "cd" * 8}}
    minisentry.sent(("event", error(new, contexts=trace)), ("event", error(new)), ("event", error(old, "KeyError")))
    end = datetime.now(UTC) + timedelta(seconds=2)
    question = Question(
        began,
        end,
        began,
        releases=(old, new),
        recount=end,
        latency_since=began,
        slow=(SlowRateCheck(type="SlowRate", name="slow", slower_than=0.01),),
        sessions=True,
        errors=True,
        issues_of=(new,),
        first_failure_of=(new,),
    )
    async with connect(minisentry) as sentry:
        look = await sentry.look(question)
    assert look.traffic == {old: Counts(requests=30), new: Counts(requests=10, failures=4)}
    assert look.recounted == {old: 30, new: 10}
    assert look.sampled == {old: 1.0, new: 1.0}
    assert look.latency[new].p95 == pytest.approx(0.02, rel=0.1)
    assert look.slow["slow"][new] == Counts(requests=10, failures=10)
    assert (look.errors, look.sessions) == ({old: 1, new: 2}, {})
    assert look.first_failure is not None
    assert look.first_failure.at >= began
    assert look.first_failure.trace_url is not None
    assert "ab" * 16 in look.first_failure.trace_url
    [issue] = look.issues[new]
    assert (issue.events, "ValueError" in issue.title) == (2, True)


async def test_minisentry_lists_a_deploy_once(minisentry: Server) -> None:
    release, name = f"s{uuid.uuid4().hex[:8]}@1.4.0", "rollback from s@1.5.0"
    finished = datetime.now(UTC)
    async with connect(minisentry) as sentry:
        await sentry.mark_release(MarkRelease(release))
        for _ in range(3):
            await sentry.mark_deploy(MarkDeploy(release, name, finished, finished), "http://board/x")
        later = finished + timedelta(minutes=1)
        await sentry.mark_deploy(MarkDeploy(release, name, later, later), "")
    deploys = minisentry.ask(f"/releases/{release}/deploys/")
    assert [(deploy["name"], deploy["environment"]) for deploy in deploys] == [(name, "test")] * 2
    assert {deploy["url"] for deploy in deploys} == {"http://board/x", None}


async def test_minisentry_keeps_the_commits_of_a_release(minisentry: Server) -> None:
    release = f"s{uuid.uuid4().hex[:8]}@1.5.1"
    commit = Commit(id="ab12", message="Round bets", author="Ada", email="ada@team.example", files=["src/bets.py"])
    async with connect(minisentry) as sentry:
        await sentry.mark_release(MarkRelease(release, commits=(commit,)))
        await sentry.mark_deploy(MarkDeploy(release, "rollout", NOW, NOW), "")
    (kept,) = minisentry.ask(f"/releases/{release}/commits/")
    assert (kept["id"], kept["message"]) == ("ab12", "Round bets")
    assert kept["author"] == {"name": "Ada", "email": "ada@team.example"}


async def test_minisentry_refuses_a_wrong_token(minisentry: Server) -> None:
    async with connect(minisentry, "wrong") as sentry:
        with pytest.raises(SentryError) as caught:
            await sentry.look(Question(NOW, NOW, NOW, releases=("payment@1.4.0",)))
    assert caught.value.status == 401


async def test_minisentry_knows_the_metrics(minisentry: Server) -> None:
    release, now = "analytics@1.4.0", datetime.now(UTC)
    attributes = {
        "sentry.release": {"type": "string", "value": release},
        "sentry.environment": {"type": "string", "value": "test"},
    }
    sample = {"timestamp": time.time(), "trace_id": "ab" * 16, "attributes": attributes, "type": "gauge"}
    rates = [{**sample, "name": "payment.success_rate", "unit": "ratio", "value": value} for value in (0.75, 1.0)]
    sessions = {**sample, "name": "sessions.active", "value": 7}
    minisentry.sent(("trace_metric", {"version": 2, "items": [*rates, sessions]}))
    checks = tuple(
        MetricCheck(type="Metric", name=name, metric=metric, kind="gauge", unit=unit, min=0.0)
        for name, metric, unit in (
            ("payments", "payment.success_rate", "ratio"),
            ("sessions", "sessions.active", None),
            ("silent", "game.rtp", "ratio"),
        )
    )
    end = now + timedelta(seconds=2)
    async with connect(minisentry) as sentry:
        look = await sentry.look(Question(end, end, now, metrics=checks))
    assert look.metrics == {"payments": Measurement(0.875, 2), "sessions": Measurement(7.0, 1)}


async def test_minisentry_shows_evidence(minisentry: Server) -> None:
    service, trace, root = f"s{uuid.uuid4().hex[:8]}", uuid.uuid4().hex, "12" * 8
    release, began = f"{service}@1.4.0", datetime.now(UTC).replace(microsecond=0)
    slow = time.time_ns() - 900_000_000
    minisentry.exported(
        otlp(
            otlp_span(release, "POST /spin", trace_id=trace, span_id=root, start_time_unix_nano=slow),
            *[
                otlp_span(release, "find bets", trace_id=trace, span_id=f"{n + 1:016x}", parent_span_id=root)
                for n in range(7)
            ],
            service=service,
        )
    )
    called = {"trace_id": trace, "span_id": "ab" * 8, "parent_span_id": f"{1:016x}", "flags": REMOTE}
    minisentry.exported(otlp(otlp_span("other@1.4.0", "Charge", **called), service="other"))
    minisentry.sent(*[("event", error(release, tags={"security.event": "guess"})) for _ in range(3)])
    minisentry.sent(("event", error(release, "KeyError")))
    session = {"sid": uuid.uuid4().hex, "init": True, "started": began.isoformat(), "status": "crashed", "errors": 1}
    minisentry.sent(("session", {**session, "attrs": {"release": release, "environment": "test"}}))
    busy = profile(release, ("1", 6, ("_burn", "spin")), ("1", 14, ("_select",)), ("2", 20, ("_wait",)))
    minisentry.sent(("profile_chunk", busy))
    of: dict[str, Any] = {"service": service}
    wanted = (
        IssueEvidence(name="type", type="Issue", error="KeyError", **of),
        IssueEvidence(name="tag", type="Issue", tags={"security.event": "guess"}, **of),
        IssueEvidence(name="none", type="Issue", error="TypeError", **of),
        TraceEvidence(name="trace", type="Trace", root="POST /spin", services=[service, "other"]),
        SpanEvidence(name="slow", type="Span", span="POST /spin", slower_than=0.5, **of),
        SpanEvidence(name="repeated", type="Span", span="find bets", repeated=7, **of),
        SessionsEvidence(name="sessions", type="Sessions", **of),
        ProfileFunctionEvidence(name="hot", type="ProfileFunction", function="_burn", min_share=0.2, **of),
        ProfileFunctionEvidence(name="cold", type="ProfileFunction", function="_freeze", min_share=0.2, **of),
    )
    end = datetime.now(UTC) + timedelta(seconds=2)
    async with connect(minisentry) as sentry:
        seen = (await sentry.look(Question(end, end, began, evidence=wanted))).evidence
    assert [(each.count, each.groups) for each in (*seen["type"], *seen["tag"])] == [(1, 1), (3, 1)]
    assert seen["none"] == []
    [whole] = seen["trace"]
    assert (whole.services, whole.orphans) == ((service, "other"), 0)
    assert whole.seconds == pytest.approx(0.9, abs=0.3)
    [[slowest], [most], [sessions]] = seen["slow"], seen["repeated"], seen["sessions"]
    assert slowest.seconds == pytest.approx(0.9, abs=0.3)
    assert (most.count, sessions.count) == (7, 1)
    assert trace in (most.url or "")
    [hot] = seen["hot"]
    assert hot.seconds == pytest.approx(20, rel=0.01)
    assert hot.share == pytest.approx(0.3, rel=0.01)
    assert hot.what == "_burn took 30.0 % of 20 s of its thread"
    assert seen["cold"] == []


async def test_old_failures_do_not_hide_new_spans(minisentry: Server) -> None:
    """Traces with an error are kept longer, and there may be hundreds of them."""
    service = f"s{uuid.uuid4().hex[:8]}"
    release, broken = f"{service}@1.4.0", f"b{service}@1.4.0"
    for _ in range(3):
        failures = [("event", error(broken, contexts={"trace": {"trace_id": uuid.uuid4().hex}})) for _ in range(90)]
        minisentry.sent(*failures)
    await asyncio.sleep(1.1)  # a second later: the window begins after them
    began = datetime.now(UTC).replace(microsecond=0)
    minisentry.exported(otlp(otlp_span(release, "find bets"), service=service))
    wanted = SpanEvidence(name="slow", type="Span", service=service, span="find bets", slower_than=0.001)
    end = datetime.now(UTC) + timedelta(seconds=2)
    async with connect(minisentry) as sentry:
        look = await sentry.look(Question(end, end, began, evidence=(wanted,)))
    assert [seen.count for seen in look.evidence["slow"]] == [1]
