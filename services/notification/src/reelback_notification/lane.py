"""The way of a channel's messages from the store to their provider."""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from prometheus_client import Gauge
from pymongo.errors import PyMongoError
from reelback_common.kafka import Outage

from reelback_notification.breaker import Breaker
from reelback_notification.delivery import Retries, attempt
from reelback_notification.messages import Channel, Message
from reelback_notification.routes import Route
from reelback_notification.store import Outcome, State, Store

SWEEP = 15.0
"""Seconds between two looks at what is due, when nothing says that something is."""

GATHER = 0.5
"""Seconds in which messages gather before they are taken together."""

BUSY = 1.0
"""Seconds until another look, when another process is sending."""

ROUND = 5.0
"""Seconds after which no further delivery of a batch is begun."""

RESERVED = timedelta(seconds=20)
"""How long a channel is reserved for a batch, the last delivery and what is written down after it."""

OPEN = Gauge("notification_circuit_open", "1 while a channel's provider is left alone", ["channel"])

log = logging.getLogger(__name__)


class Lane:
    """Delivers a channel's messages as they come due, so that a provider's trouble is no other channel's."""

    def __init__(self, channel: Channel, route: Route, store: Store, breaker: Breaker, retries: Retries) -> None:
        self._channel = channel
        self._route = route
        self._store = store
        self._breaker = breaker
        self._retries = retries
        self._woken = asyncio.Event()
        self._retries_at: list[datetime] = []  # a heap
        self._ending = False
        self._outage = Outage(log, f"the store does not answer, messages wait: {channel}")

    def wake(self) -> None:
        """Say that a message has come in."""
        if not self._breaker.pause(time.monotonic()):
            self._woken.set()

    def end(self) -> None:
        """Let `run` return after the delivery in hand."""
        self._ending = True
        self._woken.set()

    async def run(self) -> None:
        """Deliver, until told to end."""
        while not self._ending:
            try:
                pause = await self._round()
                self._outage.ended()
            except PyMongoError as error:
                await self._outage.wait(error)
            else:
                await self._wait(pause)

    async def _wait(self, seconds: float) -> None:
        """Wait so long, or until a message has come in, and a moment longer for others."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
                if not self._ending:
                    await asyncio.sleep(GATHER)
        except TimeoutError:
            pass

    async def _round(self) -> float:
        """Deliver what is due; seconds until there may be more."""
        if rest := self._breaker.pause(time.monotonic()):
            return rest
        self._woken.clear()
        now = datetime.now(UTC)
        if await self._store.reserve(self._channel, now, RESERVED) > now:
            return BUSY
        try:
            while self._retries_at and self._retries_at[0] <= now:
                heapq.heappop(self._retries_at)
            due = await self._store.due(self._channel, self._route.batch if self._breaker.closed else 1, now)
            if due:
                await self._deliver(due)
                return 0
            return min([SWEEP, *((at - now).total_seconds() for at in self._retries_at[:1])])
        finally:
            await self._store.release(self._channel)

    async def _deliver(self, messages: Sequence[Message]) -> None:
        """Deliver a batch group by group, and keep what became of it; what it does not get to stays due."""
        groups: dict[str, list[Message]] = {}
        for message in messages:
            groups.setdefault(message.group, []).append(message)
        end = time.monotonic() + ROUND
        outcomes: list[Outcome] = []
        try:
            for group in groups.values():
                now = time.monotonic()
                if self._ending or now > end or self._breaker.pause(now):
                    break
                tried = await attempt(self._route, group, self._retries)
                outcomes += tried.outcomes
                if tried.provider_works is not None:
                    self._judge(tried.provider_works, tried.outcomes[0].reason)
            await self._route.rest()
        finally:
            for outcome in outcomes:
                if outcome.state is State.PENDING:
                    heapq.heappush(self._retries_at, outcome.at)
            await self._settle(outcomes)

    async def _settle(self, outcomes: Sequence[Outcome]) -> None:
        """Keep the outcomes, however long it takes: what was sent would be sent again."""
        while True:
            try:
                return await self._store.settle(self._channel, outcomes)
            except PyMongoError as error:
                if self._ending:
                    raise
                await self._outage.wait(error)

    def _judge(self, works: bool, reason: str) -> None:
        """Tell the breaker about the provider, and everybody when that changes something."""
        was_closed = self._breaker.closed
        if works:
            self._breaker.worked()
        else:
            self._breaker.failed(time.monotonic())
        if self._breaker.closed == was_closed:
            return
        OPEN.labels(self._channel).set(was_closed)
        if was_closed:
            log.error("%s: the provider does not work, messages wait: %s", self._channel, reason)
        else:
            log.info("%s: the provider works again", self._channel)
