"""What a process of analytics shows: metrics to Sentry and Prometheus, and the spans of its report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import pytest
from reelback.v1 import analytics_pb2
from reelback.v1.analytics_pb2_grpc import AnalyticsStub
from reelback_common import kafka
from reelback_common.client import Channel

from tests.unit.analytics.making import failed, moved, played
from tests.unit.analytics.processes import ALL, calling, game, process, publish, serves, variables
from tests.unit.common import collector as collecting
from tests.unit.common.broker import Broker
from tests.unit.common.collector import Collector
from tests.unit.common.ports import free_port
from tests.unit.common.waiting import until


def assert_sent(collector: Collector) -> None:
    """Two rounds, and a payment of which there was one that failed."""
    for name, kind, unit, total in (
        ("bets.volume", "counter", "cent", 400),
        ("wins.volume", "counter", "cent", 200),
        ("bets.count", "counter", None, 2),
    ):
        items = metric(collector, name)
        assert {(item["type"], item.get("unit")) for item in items} == {(kind, unit)}
        assert sum(item["value"] for item in items) == total
        assert items[0]["attributes"]["game"]["value"] == "classic"
    assert metric(collector, "bets.volume")[0]["attributes"]["currency"]["value"] == "EUR"
    for name, unit, value in (
        ("game.rtp", "ratio", 0.5),
        ("payment.success_rate", "ratio", 0.5),
        ("sessions.active", None, 2),
    ):
        last = metric(collector, name)[-1]
        assert (last["type"], last.get("unit"), last["value"]) == ("gauge", unit, value)
        assert last["attributes"]["sentry.release"]["value"] == "analytics@1.4.0"
    assert -1 < metric(collector, "game.rtp.deviation")[-1]["value"] < 0


def assert_exported(page: str) -> None:
    """The same, for Prometheus."""
    for line in (
        'events_total{topic="bets"} 2.0',
        'game_rounds_total{game="classic"} 2.0',
        'game_bets_cents_total{game="classic"} 400.0',
        'game_wins_cents_total{game="classic"} 200.0',
        'game_rtp_ratio{game="classic"} 0.5',
        'game_rtp_rolling_ratio{game="classic"} 0.5',
        "sessions_active 2.0",
        'payment_success_ratio{window="5m"} 0.5',
    ):
        assert line in page.splitlines()
    assert 'game_rtp_deviation_standard_errors{game="classic"} -0.' in page
    assert "NaN" not in page


def metric(collector: Collector, name: str) -> list[Any]:
    sent = [item for payload in collector.of("trace_metric") for item in payload["items"]]
    return [item for item in sent if item["name"] == name]


async def assert_n_plus_one_is_seen(channel: Channel, collector: Collector) -> None:
    """Of two players, and of who is active."""
    report = await AnalyticsStub(channel).GetReport(analytics_pb2.GetReportRequest())
    assert report.games[0].theoretical_rtp == pytest.approx(0.946, abs=1e-3)
    (segment,) = collector.wait(
        lambda: [span for span in collector.spans if span.name == "reelback.v1.Analytics/GetReport"]
    )

    def queries() -> list[str]:
        return [span.name for span in collector.trace(segment.trace_id) if "db.system.name" in span.attributes]

    collector.wait(lambda: len(queries()) >= 7)
    assert queries().count("aggregate bets") == 3
    assert queries().count("aggregate payments") == 2


@pytest.mark.usefixtures("own")
async def test_what_it_shows(broker: Broker, mongodb_url: str, tmp_path: Path) -> None:
    broker.start()
    kafka.create_topics(broker.url, ALL)
    with collecting.running() as collector:

        async def arrived() -> bool:
            names = ("payment.success_rate", "wins.volume", "game.rtp.deviation")
            return all(metric(collector, name) for name in names) and metric(collector, "game.rtp")[-1]["value"] == 0.5

        async with game(free_port()) as target:
            settings = variables(
                broker,
                mongodb_url,
                GAME_TARGET=target,
                SENTRY_DSN=collector.dsn,
                SENTRY_RELEASE="analytics@1.4.0",
                METRICS_PORT=str(free_port()),
                REELBACK_FAULTS='{"analytics.report.n_plus_one": 1}',
            )
            with process(settings, tmp_path / "log"):
                async with calling(settings) as channel:
                    await until(lambda: serves(channel), 30)
                    await publish(broker, [moved("ada", "bet", -100), failed("ada", "ERROR")])
                    await publish(broker, [played("ada", 100, 50), played("bob", 300, 150)])
                    await until(arrived, 30)
                    assert_sent(collector)
                    assert_exported(httpx2.get(f"http://127.0.0.1:{settings['METRICS_PORT']}/metrics").text)
                    await assert_n_plus_one_is_seen(channel, collector)
