"""A process that consumes slowly, and says what it begins and ends: `python consuming.py URL GROUP TOPIC`."""

from __future__ import annotations

import asyncio
import sys

from reelback.v1 import events_pb2
from reelback_common.consumer import Consumer


async def handle(event: events_pb2.Event) -> None:
    print("begun", event.event_id, flush=True)
    await asyncio.sleep(0.1)
    print("ended", event.event_id, flush=True)


if __name__ == "__main__":
    url, group, topic = sys.argv[1:]
    asyncio.run(Consumer(url, group, [topic], handle, ()).run())
