"""A process that plays a round and hears of it: four requests cause an event each, one of them unreadable.

`python eventful.py TOPIC`; the variables are those of every service, and KAFKA_URL. It prints the causes' span ids.
"""

from __future__ import annotations

import asyncio
import json
import sys

import sentry_sdk
from opentelemetry import trace
from reelback.v1 import events_pb2
from reelback_common import kafka, settings, telemetry
from reelback_common.consumer import Consumer, Poison
from reelback_common.events import Outgoing
from reelback_common.outbox import Relay
from reelback_telemetry.messaging import trace_headers
from reelback_telemetry.request import request

from tests.unit.common.kafka_parts import MemoryOutbox, beside
from tests.unit.common.waiting import until


class Settings(settings.ServiceSettings):
    kafka_url: kafka.KafkaUrl


async def handle(event: events_pb2.Event) -> None:
    match event.event_id:
        case "ann/good":
            sentry_sdk.metrics.gauge("game.rtp", 0.96, unit="ratio", attributes={"game": "classic"})
            sentry_sdk.metrics.count("bets.volume", 250, unit="cent", attributes={"note": "of ada@example.org"})
        case "ann/poison":
            raise Poison("no such machine")
        case "ann/broken":
            raise ValueError("a mistake")


async def main(own: Settings, topic: str) -> None:
    store = MemoryOutbox()
    relay = Relay(own.kafka_url, store, [topic])
    causes = {}
    garbage = []
    for name in ("good", "poison", "broken", "garbage"):
        with request("POST /spins", {}, {}) as span:
            context = span.get_span_context()
            causes[name] = (trace.format_trace_id(context.trace_id), trace.format_span_id(context.span_id))
            outgoing = Outgoing(topic, events_pb2.Event(event_id=f"ann/{name}", player_id="ann"), trace_headers())
            if name == "garbage":
                garbage.append(kafka.Record(topic, b"ann", b"\xff", list(outgoing.headers.items())))
            else:
                store.put(outgoing)
    print(json.dumps(causes), flush=True)
    handled = 0

    async def counted(event: events_pb2.Event) -> None:
        nonlocal handled
        handled += 1
        await handle(event)

    async def all_handled() -> bool:
        return handled == 3

    consumer = Consumer(own.kafka_url, f"group-of-{topic}", [topic], counted, ())
    kafka.create_topics(own.kafka_url, [topic])
    with kafka.Publisher(own.kafka_url) as publisher:
        await publisher.send(garbage)
    async with beside(relay.run()), beside(consumer.run()):
        await until(all_handled, 30)


if __name__ == "__main__":
    loaded = settings.load(Settings)
    with telemetry.start("eventful", loaded):
        asyncio.run(main(loaded, sys.argv[1]))
