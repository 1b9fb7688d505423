"""Notification as a process: events come in, messages go out, and gRPC beside."""

from __future__ import annotations

import asyncio
import logging

import httpx2
from pymongo.errors import PyMongoError
from reelback.v1.notification_pb2_grpc import add_NotificationServicer_to_server
from reelback.v1.user_pb2_grpc import UserStub
from reelback_common import client, mongo, server, settings, tasks, telemetry
from reelback_common.consumer import Consumer
from reelback_common.kafka import KafkaUrl
from reelback_common.readiness import GRACE

from reelback_notification import debugging, webhooks
from reelback_notification.breaker import Breaker
from reelback_notification.delivery import Retries
from reelback_notification.intake import Intake
from reelback_notification.lane import Lane
from reelback_notification.mail import Mailer, MailFrom, SmtpUrl
from reelback_notification.messages import Channel
from reelback_notification.routes import Alerts, Email, Push, Route, Sms
from reelback_notification.service import Notification
from reelback_notification.store import Store
from reelback_notification.webhooks import Webhook, WebhookUrl

TOPICS = ("users", "payments", "bets", "alerts")

log = logging.getLogger(__name__)


class Settings(settings.ServiceSettings):
    """The variables of notification. A webhook without a URL is a channel that is off."""

    mongodb_url: str
    kafka_url: KafkaUrl
    user_target: str
    smtp_url: SmtpUrl
    mail_from: MailFrom = "Reelback <no-reply@reelback.example>"
    sms_webhook_url: WebhookUrl = ""
    push_webhook_url: WebhookUrl = ""
    alerts_webhook_url: WebhookUrl = ""
    webhook_secret: settings.Secret
    email_secret: settings.Secret


def routes(options: Settings, store: Store, user: client.Channel, http: httpx2.AsyncClient) -> dict[Channel, Route]:
    """The channels that are on; says which are not."""

    def webhook(url: str) -> Webhook:
        return Webhook(http, url, options.webhook_secret.get_secret_value())

    mailer = Mailer(options.smtp_url, options.mail_from)
    found: dict[Channel, Route] = {
        Channel.EMAIL: Email(mailer, UserStub(user), options.email_secret.get_secret_value())
    }
    if options.sms_webhook_url:
        found[Channel.SMS] = Sms(webhook(options.sms_webhook_url), store)
    if options.push_webhook_url:
        found[Channel.PUSH] = Push(webhook(options.push_webhook_url))
    if options.alerts_webhook_url:
        found[Channel.ALERTS] = Alerts(webhook(options.alerts_webhook_url), store)
    for channel in Channel:
        if channel not in found:
            log.info("%s_WEBHOOK_URL is empty: no messages go over this channel", channel.upper())
    return found


async def serve(options: Settings) -> None:
    """Serve until told to end."""
    database = mongo.connect(options.mongodb_url, "notification")
    store = Store(database)
    try:
        async with (
            client.connect(options.user_target, ["reelback.v1.User/GetProfile"]) as user,
            httpx2.AsyncClient(timeout=webhooks.TIMEOUT) as http,
            asyncio.TaskGroup() as beside,
        ):
            lanes = {
                channel: Lane(channel, route, store, Breaker(), Retries())
                for channel, route in routes(options, store, user, http).items()
            }
            intake = Intake(store, lanes, lambda channel: lanes[channel].wake())
            consumer = Consumer(options.kafka_url, "notification", TOPICS, intake.handle, retry=(PyMongoError,))
            consuming = beside.create_task(consumer.run(), name="consumer")
            sending = [beside.create_task(lane.run(), name=channel) for channel, lane in lanes.items()]

            async def ready() -> None:
                await store.ready()
                await consumer.ready()

            notification = Notification(store, intake)
            await server.serve(
                "notification",
                options,
                lambda it: add_NotificationServicer_to_server(notification, it),
                ready,
                ["reelback.v1.Notification"],
                debug={
                    "poison-message": debugging.poison_message(options.kafka_url),
                    "provider-timeout": debugging.provider_timeout(options.webhook_secret.get_secret_value()),
                },
            )
            await tasks.end(consuming)
            for lane in lanes.values():
                lane.end()
            _, late = await asyncio.wait(sending, timeout=GRACE)
            await tasks.end(*late)
    finally:
        await database.client.close()


if __name__ == "__main__":
    options = settings.load(Settings)
    with telemetry.start("notification", options):
        # It would log the address of each webhook, which has Slack's token in it.
        logging.getLogger("httpx2").setLevel(logging.WARNING)
        asyncio.run(serve(options))
