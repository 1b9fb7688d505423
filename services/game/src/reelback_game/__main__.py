"""Game as a process."""

from __future__ import annotations

import asyncio

from reelback.v1.game_pb2_grpc import add_GameServicer_to_server
from reelback.v1.payment_pb2_grpc import PaymentStub
from reelback_common import client, mongo, server, settings, tasks, telemetry
from reelback_common.kafka import KafkaUrl
from reelback_common.outbox import Relay

from reelback_game.rounds import TOPIC
from reelback_game.service import Game
from reelback_game.slots import CLASSIC, fair_rng
from reelback_game.store import Rounds
from reelback_game.table import Table


class Settings(settings.ServiceSettings):
    """The variables of game."""

    mongodb_url: str
    kafka_url: KafkaUrl
    payment_target: str
    game_token: settings.Secret


async def serve(options: Settings) -> None:
    """Serve until told to end."""
    database = mongo.connect(options.mongodb_url, "game")
    rounds = Rounds(database)
    relay = Relay(options.kafka_url, rounds, [TOPIC])
    try:
        # Every method of payment may be sent again: request ids make them idempotent.
        token = options.game_token.get_secret_value()
        async with client.connect(options.payment_target, idempotent=["reelback.v1.Payment"], token=token) as payment:
            table = Table(CLASSIC, fair_rng(), rounds, PaymentStub(payment), relay.offer)
            game = Game(CLASSIC, table)
            # One that dies takes the process with it.
            async with asyncio.TaskGroup() as beside:
                running = [
                    beside.create_task(relay.run(), name="relay"),
                    beside.create_task(table.sweep(), name="sweep"),
                ]
                await server.serve(
                    "game", options, lambda it: add_GameServicer_to_server(game, it), rounds.ready, ["reelback.v1.Game"]
                )
                await tasks.end(*running)
    finally:
        await database.client.close()


if __name__ == "__main__":
    options = settings.load(Settings)
    with telemetry.start("game", options):
        asyncio.run(serve(options))
