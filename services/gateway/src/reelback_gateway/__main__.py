"""Gateway as a process."""

from __future__ import annotations

import asyncio
from typing import Annotated

from pydantic import Field, IPvAnyNetwork
from reelback.v1.analytics_pb2_grpc import AnalyticsStub
from reelback.v1.audit_pb2_grpc import AuditStub
from reelback.v1.debug_pb2_grpc import DebugStub
from reelback.v1.game_pb2_grpc import GameStub
from reelback.v1.notification_pb2_grpc import NotificationStub
from reelback.v1.payment_pb2_grpc import PaymentStub
from reelback.v1.user_pb2_grpc import UserStub
from reelback_common import asgi, client, redis, settings, telemetry

from reelback_gateway import app
from reelback_gateway.backend import Backend, Office
from reelback_gateway.limits import Limiter
from reelback_gateway.tokens import Tokens

IDEMPOTENT = {
    "user": [
        "reelback.v1.Audit",
        *(f"reelback.v1.User/{name}" for name in ("CheckSession", "SignOut", "GetProfile", "DecideKyc")),
        *(f"reelback.v1.User/{name}" for name in ("ListPlayers", "GetProfiles", "ListKyc")),
    ],
    "game": ["reelback.v1.Game"],
    "payment": ["reelback.v1.Payment", "reelback.v1.Audit"],
    "notification": ["reelback.v1.Notification"],
    "analytics": ["reelback.v1.Analytics"],
}
"""Calls that may be sent again: reads, what has a request id, and decisions."""

Rate = Annotated[int, Field(gt=0)]


class Settings(settings.ServiceSettings):
    """The variables of gateway. Rates are requests a second.

    Behind an ingress or a load balancer its networks belong into `trusted_proxies`, or all players share its address.
    """

    redis_url: str
    user_target: str
    game_target: str
    payment_target: str
    analytics_target: str
    notification_target: str
    jwt_secret: settings.Secret
    staff_token: settings.Secret
    rate_per_player: Rate = 20
    rate_per_address: Rate = 500
    passwords_per_address: Rate = 20
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()
    cors_origins: tuple[str, ...] = ()


async def serve(options: Settings) -> None:
    """Serve until told to end."""
    token = options.debug_token.get_secret_value() if options.debug_token else ""
    staff = options.staff_token.get_secret_value()
    async with (
        redis.connect(options.redis_url) as cache,
        client.connect(options.user_target, IDEMPOTENT["user"], token=token) as user,
        client.connect(options.game_target, IDEMPOTENT["game"], token=token) as game,
        client.connect(options.payment_target, IDEMPOTENT["payment"], token=token) as payment,
        client.connect(options.analytics_target, IDEMPOTENT["analytics"], token=token) as analytics,
        client.connect(options.notification_target, IDEMPOTENT["notification"], token=token) as notification,
        client.connect(options.user_target, IDEMPOTENT["user"], token=staff) as user_office,
        client.connect(options.payment_target, IDEMPOTENT["payment"], token=staff) as payment_office,
        client.connect(options.analytics_target, IDEMPOTENT["analytics"], token=staff) as analytics_office,
    ):
        channels = {
            "user": user,
            "game": game,
            "payment": payment,
            "analytics": analytics,
            "notification": notification,
        }
        backend = Backend(
            UserStub(user),
            GameStub(game),
            PaymentStub(payment),
            AnalyticsStub(analytics),
            NotificationStub(notification),
            {name: DebugStub(channel) for name, channel in channels.items()},
            Tokens(options.jwt_secret.get_secret_value()),
            Limiter(cache, options.rate_per_player, options.rate_per_address, options.passwords_per_address),
            Office(
                UserStub(user_office),
                PaymentStub(payment_office),
                AnalyticsStub(analytics_office),
                AuditStub(user_office),
                AuditStub(payment_office),
            ),
        )
        connected = False

        async def ready() -> None:
            """Once each service that players cannot do without was reached: one that goes away later, and
            notification at any time, is answered for call by call."""
            nonlocal connected
            if not connected:
                await asyncio.gather(*(channel.channel_ready() for channel in (user, game, payment)))
                connected = True

        proxies = [str(network) for network in options.trusted_proxies]
        await asgi.serve(
            "gateway", options, app.create(backend, options.cors_origins, options.sentry_environment), ready, proxies
        )


if __name__ == "__main__":
    options = settings.load(Settings)
    with telemetry.start("gateway", options):
        asyncio.run(serve(options))
