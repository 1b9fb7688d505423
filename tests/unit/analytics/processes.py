"""Analytics as a process, and what is published for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import grpc
from reelback.v1 import analytics_pb2, events_pb2
from reelback.v1.analytics_pb2_grpc import AnalyticsStub
from reelback.v1.game_pb2_grpc import add_GameServicer_to_server
from reelback_common import client, kafka
from reelback_common.client import Channel
from reelback_common.server import Server
from reelback_common.settings import ServiceSettings
from reelback_game.service import Game
from reelback_game.slots import CLASSIC

from tests.unit import services
from tests.unit.common.broker import Broker
from tests.unit.common.ports import free_port

TOPICS = {"round_settled": "bets", "money_moved": "payments", "payment_failed": "payments"}
ALL = ("bets", "payments", "users", "alerts", "dead-letters")


@contextmanager
def process(variables: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("ab") as out:
        running = subprocess.Popen(
            [sys.executable, "-m", "reelback_analytics"], env={**os.environ, **variables}, stdout=out, stderr=out
        )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def variables(broker: Broker, mongodb_url: str, **more: str) -> dict[str, str]:
    own = {"KAFKA_URL": broker.url, "MONGODB_URL": mongodb_url, "GAME_TARGET": "ipv4:127.0.0.1:1", "METRICS_PORT": "0"}
    own["STAFF_TOKEN"] = services.TOKEN
    return {**own, "PORT": str(free_port()), **more}


@asynccontextmanager
async def calling(variables: Mapping[str, str]) -> AsyncIterator[Channel]:
    target = f"ipv4:127.0.0.1:{variables['PORT']}"
    async with client.connect(target, ["reelback.v1.Analytics", "grpc.health.v1.Health"]) as channel:
        yield channel


async def publish(broker: Broker, events: Sequence[events_pb2.Event]) -> None:
    with kafka.Publisher(broker.url) as publisher:
        await publisher.send(
            [
                kafka.Record(
                    TOPICS.get(event.WhichOneof("payload") or "", "users"),
                    event.player_id.encode(),
                    event.SerializeToString(),
                    [],
                )
                for event in events
            ]
        )


async def events_of(channel: Channel) -> dict[str, int]:
    totals = await AnalyticsStub(channel).GetTotals(analytics_pb2.GetTotalsRequest())
    return dict(totals.events)


async def serves(channel: Channel) -> bool:
    """Whether it is there, and says that it is ready."""
    try:
        return await services.is_ready(channel)
    except grpc.aio.AioRpcError:
        return False


@asynccontextmanager
async def game(port: int) -> AsyncIterator[str]:
    """A game that is only asked what it pays; its target."""

    async def ready() -> None:
        pass

    server = Server(
        ServiceSettings(port=port, metrics_port=0),
        lambda it: add_GameServicer_to_server(Game(CLASSIC, None), it),  # type: ignore[arg-type]
        ready,
        ["reelback.v1.Game"],
    )
    await server.start()
    try:
        yield f"ipv4:127.0.0.1:{port}"
    finally:
        await server.stop()
