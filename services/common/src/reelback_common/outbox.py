"""The relay between a store that keeps its events in its documents, and Kafka."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Protocol

from reelback.v1 import events_pb2

from reelback_common import kafka
from reelback_common.events import Outgoing

SWEEP_SECONDS = 15.0
"""Between two looks into the store for events that nobody offered, or that could not be sent."""

GATHER_SECONDS = 0.05
"""How long events gather before they are sent and marked together."""

CLOSE_SECONDS = 2.0
"""How long the last events have to be sent and marked when the service ends."""

BATCH = 500
MAX_OFFERED = 5_000

log = logging.getLogger(__name__)


class Outbox(Protocol):
    """A store whose documents are the outbox."""

    async def unpublished(self, limit: int) -> Sequence[Outgoing]:
        """The events not marked yet: oldest first, in each player's order."""
        ...

    async def published(self, sent: Sequence[Outgoing]) -> None:
        """Mark these events in their documents, in few writes."""
        ...


class Relay:
    """Publishes the events of an outbox, each at least once, a player's in the order in which they were offered."""

    def __init__(self, kafka_url: str, outbox: Outbox, topics: Sequence[str]) -> None:
        self._url = kafka_url
        self._outbox = outbox
        self._topics = topics
        self._offered: deque[Outgoing] = deque()
        self._wake = asyncio.Event()
        self._behind = True
        """Events may have been missed: until the store is swept, what is offered is not taken."""

    def offer(self, outgoing: Outgoing) -> None:
        """Say that this event is in the store now. Never blocks, never raises; what is not taken the sweep finds."""
        if len(self._offered) >= MAX_OFFERED:
            self._behind = True
        if not self._behind:
            self._offered.append(outgoing)
            self._wake.set()

    async def run(self) -> None:
        """Publish until cancelled, then what is left; while the broker or the store is away, wait for it."""
        outage = kafka.Outage(log, "events wait in the outbox")
        while True:
            try:
                await asyncio.to_thread(kafka.create_topics, self._url, self._topics)
                with kafka.Publisher(self._url) as publisher:
                    while True:
                        await self._sweep(publisher)
                        outage.ended()
                        await self._follow(publisher)
            except Exception as error:  # whatever the store raises when it is away; the events are safe in it
                await outage.wait(error)

    async def _sweep(self, publisher: kafka.Publisher) -> None:
        """Publish what the store says is not; from then on, what is offered is all there is."""
        full = True
        while full:
            self._offered.clear()
            self._behind = False
            found = await self._outbox.unpublished(BATCH)
            await self._publish(publisher, found)
            full = len(found) == BATCH
            sent = {outgoing.event.event_id for outgoing in found}
            self._offered = deque(o for o in self._offered if o.event.event_id not in sent)

    async def _follow(self, publisher: kafka.Publisher) -> None:
        """Publish what is offered until the next sweep is due."""
        loop = asyncio.get_running_loop()
        end = loop.time() + SWEEP_SECONDS
        try:
            while not self._behind and loop.time() < end:
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(end):
                        await self._wake.wait()
                await asyncio.sleep(GATHER_SECONDS)
                batch = list(islice(self._offered, BATCH))
                await self._publish(publisher, batch)
                for _ in batch:
                    self._offered.popleft()
                if not self._offered:
                    self._wake.clear()
        except asyncio.CancelledError:
            with suppress(Exception):  # what is not sent is found when the service starts again
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._publish(publisher, [*self._offered])
            raise

    async def _publish(self, publisher: kafka.Publisher, events: Sequence[Outgoing]) -> None:
        # Without any, it still hears of the brokers.
        for refused in await publisher.send([_record(outgoing) for outgoing in events]):
            # It would be refused for ever, and hold up all others. What it told of is in the store.
            event = events_pb2.Event.FromString(refused.value or b"")
            log.error("event %s for %s is refused for ever: %d bytes", event.event_id, refused.topic, event.ByteSize())
        if events:
            await self._outbox.published(events)


def _record(outgoing: Outgoing) -> kafka.Record:
    event = outgoing.event
    return kafka.Record(
        outgoing.topic, event.player_id.encode(), event.SerializeToString(), list(outgoing.headers.items())
    )
