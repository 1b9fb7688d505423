"""Payment as a process."""

from __future__ import annotations

import asyncio

from reelback.v1.payment_pb2_grpc import add_PaymentServicer_to_server
from reelback.v1.user_pb2_grpc import UserStub
from reelback_common import client, kafka, mongo, outbox, server, settings, tasks, telemetry
from reelback_common.debugging import database_error

from reelback_payment.failures import Failures
from reelback_payment.messages import TOPIC
from reelback_payment.outbox import PaymentOutbox
from reelback_payment.players import Players
from reelback_payment.service import Payment
from reelback_payment.store import Wallets


class Settings(settings.ServiceSettings):
    """The variables of payment."""

    mongodb_url: str
    kafka_url: kafka.KafkaUrl
    user_target: str
    game_token: settings.Secret
    staff_token: settings.Secret


async def serve(options: Settings) -> None:
    """Serve until told to end."""
    database = mongo.connect(options.mongodb_url, "payment")
    try:
        async with (
            client.connect(options.user_target, idempotent=["reelback.v1.User/GetProfile"]) as user,
            asyncio.TaskGroup() as background,
        ):
            relay = outbox.Relay(options.kafka_url, PaymentOutbox(database), [TOPIC])
            wallets = Wallets(database, relay.offer)
            payment = Payment(wallets, Players(UserStub(user)), Failures(database, relay.offer))
            publishing = background.create_task(relay.run(), name="relay")
            await server.serve(
                "payment",
                options,
                lambda it: add_PaymentServicer_to_server(payment, it),
                wallets.ready,
                ["reelback.v1.Payment"],
                tokens={
                    "reelback.v1.Payment/Payout": options.game_token.get_secret_value(),
                    "reelback.v1.Payment/Decide": options.staff_token.get_secret_value(),
                },
                debug={"database-error": database_error(database)},
            )
            await tasks.end(publishing)
    finally:
        await database.client.close()


if __name__ == "__main__":
    options = settings.load(Settings)
    with telemetry.start("payment", options):
        asyncio.run(serve(options))
