"""Analytics on a real store, without a broker: events are handed to it as the consumer would."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import events_pb2
from reelback.v1.analytics_pb2_grpc import add_AnalyticsServicer_to_server
from reelback_analytics.alerts import Alerts
from reelback_analytics.days import Days
from reelback_analytics.intake import Intake
from reelback_analytics.live import Live
from reelback_analytics.luck import Machine
from reelback_analytics.metrics import Meter
from reelback_analytics.paytables import Paytables
from reelback_analytics.retention import Retention
from reelback_analytics.service import Analytics
from reelback_analytics.store import Tallies
from reelback_analytics.tally import Money, Play
from reelback_analytics.watch import Watch
from reelback_common import mongo
from reelback_common.client import Channel
from reelback_common.mongo import Document
from reelback_common.outbox import Relay

from tests.unit import services
from tests.unit.common.broker import Broker

NOBODY = "kafka://127.0.0.1:1"
MACHINE = Machine(theoretical_rtp=0.9, variance=4.0, max_return=100)


class Known(Paytables):
    """The paytable of a game that is not asked."""

    @property
    def machines(self) -> dict[str, Machine]:
        return {"classic": MACHINE}


@dataclass
class Instance:
    """What one process of analytics has of its own."""

    database: AsyncDatabase[Document]
    tallies: Tallies
    retention: Retention
    alerts: Alerts
    live: Live
    intake: Intake

    async def take(self, *events: events_pb2.Event) -> None:
        for event in events:
            await self.intake.handle(event)

    async def alert_ids(self) -> list[str]:
        return [outgoing.event.event_id for outgoing in await self.alerts.unpublished(100)]


async def instance(database: AsyncDatabase[Document], paytables: Paytables) -> Instance:
    """An instance that has just been started."""
    tallies, alerts, live = Tallies(database), Alerts(database), Live()
    played, paid = Days(database, tallies, Play), Days(database, tallies, Money)
    for part in (tallies, played, alerts):
        await part.prepare()
    watch = Watch(played, paid, paytables, alerts, Relay(NOBODY, alerts, ["alerts"]))
    intake = Intake(tallies, watch, live, Meter())
    return Instance(database, tallies, Retention(database, tallies), alerts, live, intake)


@pytest.fixture
async def database(mongodb_url: str) -> AsyncIterator[AsyncDatabase[Document]]:
    async with services.database(mongodb_url) as opened:
        yield opened


@pytest.fixture
async def paytables() -> Paytables:
    return Known(None)  # type: ignore[arg-type]


@pytest.fixture
async def channel(analytics: Instance, paytables: Paytables) -> AsyncIterator[Channel]:
    """To the gRPC server of `analytics`."""
    servicer = Analytics(analytics.tallies, analytics.retention, paytables, analytics.alerts)
    async with services.serving(
        lambda it: add_AnalyticsServicer_to_server(servicer, it), analytics.tallies.ping, "reelback.v1.Analytics"
    ) as opened:
        yield opened


@pytest.fixture
async def analytics(database: AsyncDatabase[Document], paytables: Paytables) -> Instance:
    return await instance(database, paytables)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One that is not started yet, for the topics of a process have fixed names."""
    broker = Broker(tmp_path / "broker")
    (tmp_path / "broker").mkdir()
    yield broker
    broker.kill()


@pytest.fixture
async def own(mongodb_url: str) -> AsyncIterator[AsyncDatabase[Document]]:
    """The database of a process, whose name is fixed; empty."""
    opened = mongo.connect(mongodb_url, "analytics")
    try:
        await opened.client.drop_database("analytics")
        yield opened
    finally:
        await opened.client.close()
