"""User as a process."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

import grpc
from pydantic import Field
from reelback.v1.audit_pb2_grpc import add_AuditServicer_to_server
from reelback.v1.user_pb2_grpc import add_UserServicer_to_server
from reelback_common import mongo, redis, server, settings, tasks, telemetry
from reelback_common.debugging import slow_query
from reelback_common.kafka import KafkaUrl
from reelback_common.outbox import Relay
from reelback_common.staff import roles
from reelback_common.staff.audit import Audit, AuditLog

from reelback_user.accounts import normalise_email
from reelback_user.attempts import Attempts
from reelback_user.debugging import guess_session
from reelback_user.events import TOPIC
from reelback_user.service import User
from reelback_user.store import Accounts, Sessions


class Settings(settings.ServiceSettings):
    """The variables of user. Who has verified an address of `testers` may do, once signed in, what testers may; so it
    is with the other roles."""

    mongodb_url: str
    redis_url: str
    staff_token: settings.Secret
    email_secret: settings.Secret
    kafka_url: KafkaUrl
    testers: tuple[str, ...] = ()
    viewers: tuple[str, ...] = ()
    support: tuple[str, ...] = ()
    finance: tuple[str, ...] = ()
    session_seconds: Annotated[int, Field(ge=60)] = 12 * 3600

    def staff(self) -> dict[str, set[str]]:
        """By each role the addresses of those who have it."""
        told = {
            roles.TESTER: self.testers,
            roles.VIEWER: self.viewers,
            roles.SUPPORT: self.support,
            roles.FINANCE: self.finance,
        }
        return {role: {normalise_email(email) for email in emails} for role, emails in told.items()}


async def serve(options: Settings) -> None:
    """Serve until told to end."""
    database = mongo.connect(options.mongodb_url, "user")
    cache = redis.connect(options.redis_url)
    accounts, sessions = Accounts(database), Sessions(cache, timedelta(seconds=options.session_seconds))
    log = AuditLog(database)
    relay = Relay(options.kafka_url, accounts, [TOPIC])
    user = User(
        accounts,
        sessions,
        Attempts(cache),
        log,
        email_secret=options.email_secret.get_secret_value(),
        staff=options.staff(),
        offer=relay.offer,
    )
    for_staff = ("User/DecideKyc", "User/ListPlayers", "User/GetProfiles", "User/ListKyc", "Audit/ListDecisions")

    def register(it: grpc.aio.Server) -> None:
        add_UserServicer_to_server(user, it)
        add_AuditServicer_to_server(Audit(log), it)

    async def ready() -> None:
        await accounts.ready()
        await log.prepare()
        await sessions.ready()

    try:
        # A relay that dies takes the process with it.
        async with asyncio.TaskGroup() as beside:
            relaying = beside.create_task(relay.run(), name="relay")
            await server.serve(
                "user",
                options,
                register,
                ready,
                ["reelback.v1.User", "reelback.v1.Audit"],
                tokens={f"reelback.v1.{name}": options.staff_token.get_secret_value() for name in for_staff},
                debug={"slow-query": slow_query(database), "unauthorized": guess_session(sessions)},
            )
            await tasks.end(relaying)
    finally:
        await cache.aclose()
        await database.client.close()


if __name__ == "__main__":
    options = settings.load(Settings)
    with telemetry.start("user", options):
        asyncio.run(serve(options))
