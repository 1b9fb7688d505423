"""Payment as a process."""

from __future__ import annotations

import asyncio

from reelback.v1.payment_pb2_grpc import add_PaymentServicer_to_server
from reelback_common import mongo, server, settings, telemetry

from reelback_payment.service import Payment
from reelback_payment.store import Wallets


class Settings(settings.ServiceSettings):
    """The variables of payment."""

    mongodb_url: str


async def serve(options: Settings) -> None:
    """Serve until told to end."""
    database = mongo.connect(options.mongodb_url, "payment")
    wallets = Wallets(database)
    payment = Payment(wallets)
    try:
        await server.serve(
            "payment",
            options,
            lambda it: add_PaymentServicer_to_server(payment, it),
            wallets.ready,
            ["reelback.v1.Payment"],
        )
    finally:
        await database.client.close()


if __name__ == "__main__":
    options = settings.load(Settings)
    with telemetry.start("payment", options):
        asyncio.run(serve(options))
