"""What notification can be made to do wrong: see reelback_common.debug_endpoints."""

from __future__ import annotations

import asyncio

import httpx2
from reelback_common import kafka
from reelback_common.debugging import Action
from reelback_telemetry import context
from reelback_telemetry.messaging import trace_headers

from reelback_notification.webhooks import Webhook

TOPIC = "users"
"""A topic that notification reads, and analytics as well."""

PROVIDER_SECONDS = 1.0


def poison_message(kafka_url: str) -> Action:
    """Publish an event that is none: each of its consumers puts it to the dead letters, and says so."""

    async def publish(_: float) -> str:
        headers: list[tuple[str, str | bytes | None]] = [*trace_headers().items()]
        record = kafka.Record(TOPIC, context.player().encode(), b"\xff poison", headers)
        with kafka.Publisher(kafka_url) as publisher:
            await publisher.send([record])
        return "an event was published that no consumer can read"

    return publish


def provider_timeout(secret: str) -> Action:
    """Post to a provider, a socket of this process, that takes the message and never answers."""

    async def post(_: float) -> str:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        provider = await asyncio.start_server(silent, "127.0.0.1", 0)
        port = provider.sockets[0].getsockname()[1]
        async with provider, httpx2.AsyncClient(timeout=PROVIDER_SECONDS) as http:
            await Webhook(http, f"http://127.0.0.1:{port}/", secret).post("debug", {"text": "debug"})
        return "the provider has answered"

    return post
