"""Analytics as a process."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime

from pymongo.errors import PyMongoError
from reelback.v1.analytics_pb2_grpc import add_AnalyticsServicer_to_server
from reelback.v1.game_pb2_grpc import GameStub
from reelback_common import client, mongo, server, settings, tasks, telemetry
from reelback_common.consumer import Consumer
from reelback_common.debugging import database_error, slow_query
from reelback_common.kafka import KafkaUrl
from reelback_common.outbox import Relay

from reelback_analytics.alerts import Alerts
from reelback_analytics.days import Days
from reelback_analytics.intake import Intake
from reelback_analytics.live import ACTIVE, Live
from reelback_analytics.metrics import Meter
from reelback_analytics.paytables import Paytables
from reelback_analytics.report import played_since
from reelback_analytics.retention import Retention
from reelback_analytics.service import Analytics
from reelback_analytics.store import Contention, Tallies
from reelback_analytics.tally import KINDS, Money, Play
from reelback_analytics.watch import Watch

TICK = 2.0
"""Seconds between two looks at the live figures."""

PAUSE = 1.0
"""Seconds between two attempts to reach the store at the start."""

logger = logging.getLogger(__name__)


class Settings(settings.ServiceSettings):
    """The variables of analytics."""

    mongodb_url: str
    kafka_url: KafkaUrl
    game_target: str
    staff_token: settings.Secret


async def begin(retention: Retention, live: Live, tallies: Tallies, *others: Days[Play] | Days[Money] | Alerts) -> None:
    """Return when the store has its indexes, and what was counted before is known."""
    while True:
        try:
            for part in (tallies, *others):
                await part.prepare()
            totals = await retention.totals()
            live.load(totals.games, await played_since(tallies, datetime.now(UTC) - ACTIVE))
            return
        except PyMongoError as error:
            logger.warning("the store does not answer yet: %s", type(error).__name__)
            await asyncio.sleep(PAUSE)


async def tick(live: Live, meter: Meter, paytables: Paytables) -> None:
    """Show the live figures, again and again, until cancelled, and then once more."""
    try:
        while True:
            meter.show(live.figures(paytables.machines, datetime.now(UTC)))
            await asyncio.sleep(TICK)
    finally:
        meter.show(live.figures(paytables.machines, datetime.now(UTC)))


async def serve(options: Settings) -> None:
    """Serve until told to end."""
    database = mongo.connect(options.mongodb_url, "analytics")
    tallies, alerts, live, meter = Tallies(database), Alerts(database), Live(), Meter()
    played, paid = Days(database, tallies, Play), Days(database, tallies, Money)
    retention = Retention(database, tallies)
    relay = Relay(options.kafka_url, alerts, ["alerts"])
    try:
        async with client.connect(options.game_target, idempotent=["reelback.v1.Game/GetPaytable"]) as game:
            paytables = Paytables(GameStub(game))
            intake = Intake(tallies, Watch(played, paid, paytables, alerts, relay), live, meter)
            topics = [kind.TOPIC for kind in KINDS]
            consumer = Consumer(options.kafka_url, "analytics", topics, intake.handle, retry=(PyMongoError, Contention))
            analytics = Analytics(tallies, retention, paytables, alerts)

            async def count() -> None:
                await begin(retention, live, tallies, played, paid, alerts)
                async with asyncio.TaskGroup() as together:
                    for work in (consumer.run(), tick(live, meter, paytables), retention.run()):
                        together.create_task(work)

            async def ready() -> None:
                await tallies.ping()
                await consumer.ready()

            # One that dies takes the process with it.
            async with asyncio.TaskGroup() as beside:
                running = [beside.create_task(work) for work in (count(), paytables.run(), relay.run())]
                await server.serve(
                    "analytics",
                    options,
                    lambda it: add_AnalyticsServicer_to_server(analytics, it),
                    ready,
                    ["reelback.v1.Analytics"],
                    tokens={"reelback.v1.Analytics/ListAlerts": options.staff_token.get_secret_value()},
                    debug={"database-error": database_error(database), "slow-query": slow_query(database)},
                )
                for task in running:  # what is being counted may still raise an alert: the relay ends last
                    await tasks.end(task)
    finally:
        await database.client.close()


if __name__ == "__main__":
    options = settings.load(Settings)
    with telemetry.start("analytics", options):
        asyncio.run(serve(options))
