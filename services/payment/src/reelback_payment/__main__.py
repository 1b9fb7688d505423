"""Payment as a process."""

from __future__ import annotations

import asyncio

import grpc
from reelback.v1.audit_pb2_grpc import add_AuditServicer_to_server
from reelback.v1.payment_pb2_grpc import add_PaymentServicer_to_server
from reelback.v1.user_pb2_grpc import UserStub
from reelback_common import client, kafka, mongo, outbox, server, settings, tasks, telemetry
from reelback_common.debugging import database_error
from reelback_common.staff.audit import Audit, AuditLog

from reelback_payment.failures import Failures
from reelback_payment.messages import TOPIC
from reelback_payment.outbox import PaymentOutbox
from reelback_payment.players import Players
from reelback_payment.service import Payment
from reelback_payment.staff import Staff
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
            client.connect(
                options.user_target, idempotent=["reelback.v1.User/GetProfile", "reelback.v1.User/CheckSession"]
            ) as user,
            asyncio.TaskGroup() as background,
        ):
            relay = outbox.Relay(options.kafka_url, PaymentOutbox(database), [TOPIC])
            wallets = Wallets(database, relay.offer)
            log = AuditLog(database)
            failures = Failures(database, relay.offer)
            payment = Payment(wallets, Players(UserStub(user)), failures, Staff(UserStub(user)), log)
            for_staff = ("Payment/Decide", "Payment/ListWaiting", "Audit/ListDecisions")

            def register(it: grpc.aio.Server) -> None:
                add_PaymentServicer_to_server(payment, it)
                add_AuditServicer_to_server(Audit(log), it)

            async def ready() -> None:
                await wallets.ready()
                await log.prepare()

            publishing = background.create_task(relay.run(), name="relay")
            await server.serve(
                "payment",
                options,
                register,
                ready,
                ["reelback.v1.Payment", "reelback.v1.Audit"],
                tokens={
                    "reelback.v1.Payment/Payout": options.game_token.get_secret_value(),
                    **{f"reelback.v1.{name}": options.staff_token.get_secret_value() for name in for_staff},
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
