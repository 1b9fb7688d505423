"""From events, and what players ask for, to messages in the store."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from datetime import UTC, datetime

from reelback.v1 import events_pb2
from reelback_common import faults
from reelback_telemetry.messaging import trace_headers

from reelback_notification.messages import Channel, Message, Notice, Template, notice, wanted
from reelback_notification.store import Store

CODE_SECONDS = 600
"""How often the first mail is sent again at most."""


class Intake:
    """Handles events: each makes the messages that its player wants, over the `channels` that are there."""

    def __init__(self, store: Store, channels: Collection[Channel], wake: Callable[[Channel], None]) -> None:
        self._store = store
        self._channels = channels
        self._wake = wake

    async def handle(self, event: events_pb2.Event) -> None:
        """Put down the messages of an event; again makes no others. Raises Poison, and PyMongoError."""
        await faults.inject("notification.intake.crash_rate")
        told = notice(event)
        if told is None:
            return
        if told.template is Template.ALERT:
            player_id, chosen = "", [Channel.ALERTS]
        else:
            player_id = event.player_id
            chosen = wanted(told.template, await self._store.preferences(player_id))
        for channel in chosen:
            if channel in self._channels:
                await self._add(f"{event.event_id}:{channel}", player_id, told, channel)

    async def send_code(self, player_id: str) -> None:
        """Put down the first mail again, once in CODE_SECONDS. Raises PyMongoError."""
        period = int(time.time() // CODE_SECONDS)
        message_id = f"{player_id}/code/{period}:{Channel.EMAIL}"
        await self._add(message_id, player_id, Notice(Template.WELCOME, {}), Channel.EMAIL)

    async def _add(self, message_id: str, player_id: str, told: Notice, channel: Channel) -> None:
        headers, now = trace_headers(), datetime.now(UTC)
        await self._store.add(Message(message_id, player_id, told.template, channel, told.facts, headers, now))
        self._wake(channel)
