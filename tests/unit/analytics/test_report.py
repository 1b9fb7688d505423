"""The report and the totals over gRPC, against figures that were added up by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from pymongo.monitoring import CommandListener, CommandStartedEvent
from reelback.v1 import analytics_pb2
from reelback.v1.analytics_pb2_grpc import AnalyticsStub
from reelback_common import faults
from reelback_common.client import Channel
from reelback_telemetry import mongo as mongo_spans

from tests.unit.analytics.conftest import MACHINE, Instance
from tests.unit.analytics.making import failed, moved, played, registered

HOUR = analytics_pb2.GetReportRequest()


def window(**how_long: float) -> analytics_pb2.GetReportRequest:
    request = analytics_pb2.GetReportRequest()
    request.window.FromTimedelta(timedelta(**how_long))
    return request


async def played_a_while(analytics: Instance) -> None:
    now = datetime.now(UTC)
    await analytics.take(
        played("ada", 100, 250, now - timedelta(minutes=2)),
        played("ada", 100, 0, now - timedelta(minutes=50)),
        played("bob", 50, 0, now - timedelta(minutes=10)),
        played("bob", 350, 75, now - timedelta(minutes=10)),
        played("bob", 10, 10, now - timedelta(minutes=10), game="joker"),
        played("eve", 1_000, 0, now - timedelta(hours=2)),
        moved("ada", "deposit", 500, now - timedelta(minutes=50)),
        *(moved("ada", "bet", -100, now - timedelta(minutes=50)) for _ in range(2)),
        moved("ada", "win", 250, now - timedelta(minutes=2)),
        failed("ada", "ERROR", now - timedelta(minutes=3)),
        failed("kim", "DECLINED", now - timedelta(minutes=3)),
        moved("eve", "deposit", 2_000, now - timedelta(hours=2)),
        registered("ada", now - timedelta(minutes=55)),
        registered("kim", now - timedelta(days=3)),
    )


async def test_a_report(analytics: Instance, channel: Channel) -> None:
    await played_a_while(analytics)
    report = await AnalyticsStub(channel).GetReport(HOUR)
    joker, classic = sorted(report.games, key=lambda game: game.rounds)
    assert (classic.game, classic.rounds, classic.rounds_won, classic.bet, classic.win) == ("classic", 4, 2, 600, 325)
    assert classic.rtp == pytest.approx(325 / 600)
    assert classic.theoretical_rtp == MACHINE.theoretical_rtp
    squares = 100**2 + 100**2 + 50**2 + 350**2
    assert classic.deviation == pytest.approx((325 - 0.9 * 600) / (MACHINE.variance * squares) ** 0.5)
    assert (joker.game, joker.bet, joker.rtp) == ("joker", 10, 1.0)
    assert not joker.HasField("theoretical_rtp")
    assert not joker.HasField("deviation")

    assert (report.payments, report.payments_failed, report.payments_declined) == (6, 1, 1)
    assert report.payment_success_rate == pytest.approx(4 / 5)
    assert report.active_sessions == 1
    assert [(player.player_id, player.rounds, player.bet, player.win) for player in report.top_players] == [
        ("bob", 3, 410, 85),
        ("ada", 2, 200, 250),
    ]
    start, end = report.start.ToDatetime(UTC), report.end.ToDatetime(UTC)
    assert start.second == 0
    assert timedelta(hours=1) <= end - start < timedelta(hours=1, minutes=1)


async def test_longer_and_shorter_windows(analytics: Instance, channel: Channel) -> None:
    await played_a_while(analytics)
    stub = AnalyticsStub(channel)
    longer = await stub.GetReport(window(days=30))
    assert [player.player_id for player in longer.top_players] == ["eve", "bob", "ada"]
    shorter = await stub.GetReport(window(minutes=1))
    assert not shorter.games
    assert not shorter.HasField("payment_success_rate")
    assert shorter.active_sessions == 1


async def test_nothing_has_happened(channel: Channel) -> None:
    report = await AnalyticsStub(channel).GetReport(HOUR)
    assert not report.games
    assert not report.HasField("payment_success_rate")
    totals = await AnalyticsStub(channel).GetTotals(analytics_pb2.GetTotalsRequest())
    assert (totals.rounds, totals.entries, dict(totals.events)) == (0, 0, {"bets": 0, "payments": 0, "users": 0})


async def test_totals(analytics: Instance, channel: Channel) -> None:
    await played_a_while(analytics)
    totals = await AnalyticsStub(channel).GetTotals(analytics_pb2.GetTotalsRequest())
    assert dict(totals.events) == {"bets": 6, "payments": 7, "users": 2}
    assert (totals.rounds, totals.bet, totals.win) == (6, 1_610, 335)
    assert (totals.entries, totals.balance) == (5, 500 - 200 + 250 + 2_000)


@pytest.mark.parametrize(
    "window",
    [
        Duration(),
        Duration(seconds=-1),
        Duration(seconds=30 * 24 * 3600, nanos=1_000),
        Duration(seconds=1, nanos=-1),
        Duration(seconds=2**62),
    ],
)
async def test_a_window_that_is_none(channel: Channel, window: Duration) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await AnalyticsStub(channel).GetReport(analytics_pb2.GetReportRequest(window=window))
    assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (refused.value.details() or "").startswith("window: ")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Those that are sent to the store."""
    seen: list[str] = []
    started = mongo_spans.CommandSpans.started

    def note(self: mongo_spans.CommandSpans, event: CommandStartedEvent) -> None:
        seen.append(event.command_name)
        started(self, event)

    assert issubclass(mongo_spans.CommandSpans, CommandListener)
    monkeypatch.setattr(mongo_spans.CommandSpans, "started", note)
    yield seen
    faults.configure({})


async def test_n_plus_one_gives_the_same_answer_with_two_queries_a_player(
    commands: list[str], analytics: Instance, channel: Channel
) -> None:
    await played_a_while(analytics)
    stub = AnalyticsStub(channel)

    async def asked() -> tuple[analytics_pb2.Report, int]:
        before = commands.count("aggregate") + commands.count("distinct")
        report = await stub.GetReport(HOUR)
        report.ClearField("end")
        return report, commands.count("aggregate") + commands.count("distinct") - before

    faults.configure({})
    report, queries = await asked()
    faults.configure({"analytics.report.n_plus_one": 1})
    slow_report, slow_queries = await asked()
    assert slow_report == report
    assert queries == 3
    assert slow_queries == queries + 2 + 2 * 3 - 2  # who there is, and each of ada, bob and kim
