"""User as a process."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Annotated

from pydantic import Field
from reelback.v1.user_pb2_grpc import add_UserServicer_to_server
from reelback_common import mongo, redis, server, settings, tasks, telemetry
from reelback_common.debugging import slow_query
from reelback_common.kafka import KafkaUrl
from reelback_common.outbox import Relay

from reelback_user.accounts import normalise_email
from reelback_user.attempts import Attempts
from reelback_user.debugging import guess_session
from reelback_user.events import TOPIC
from reelback_user.service import User
from reelback_user.store import Accounts, Sessions


class Settings(settings.ServiceSettings):
    """The variables of user. Who has verified an address of `testers` may do, once signed in, what testers may."""

    mongodb_url: str
    redis_url: str
    staff_token: settings.Secret
    email_secret: settings.Secret
    kafka_url: KafkaUrl
    testers: tuple[str, ...] = ()
    session_seconds: Annotated[int, Field(ge=60)] = 12 * 3600


async def serve(options: Settings) -> None:
    """Serve until told to end."""
    database = mongo.connect(options.mongodb_url, "user")
    cache = redis.connect(options.redis_url)
    accounts, sessions = Accounts(database), Sessions(cache, timedelta(seconds=options.session_seconds))
    relay = Relay(options.kafka_url, accounts, [TOPIC])
    testers = [normalise_email(email) for email in options.testers]
    email_secret = options.email_secret.get_secret_value()
    user = User(accounts, sessions, Attempts(cache), email_secret=email_secret, testers=testers, offer=relay.offer)

    async def ready() -> None:
        await accounts.ready()
        await sessions.ready()

    try:
        # A relay that dies takes the process with it.
        async with asyncio.TaskGroup() as beside:
            relaying = beside.create_task(relay.run(), name="relay")
            await server.serve(
                "user",
                options,
                lambda it: add_UserServicer_to_server(user, it),
                ready,
                ["reelback.v1.User"],
                tokens={"reelback.v1.User/DecideKyc": options.staff_token.get_secret_value()},
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
