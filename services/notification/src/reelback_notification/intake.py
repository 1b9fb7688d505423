"""From events to messages in the store."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import UTC, datetime

from reelback.v1 import events_pb2
from reelback_common.events import trace_headers

from reelback_notification.messages import Channel, Message, Template, notice, wanted
from reelback_notification.store import Store


class Intake:
    """Handles events: each makes the messages that its player wants, over the `channels` that are there."""

    def __init__(self, store: Store, channels: Collection[Channel], wake: Callable[[Channel], None]) -> None:
        self._store = store
        self._channels = channels
        self._wake = wake

    async def handle(self, event: events_pb2.Event) -> None:
        """Put down the messages of an event; again makes no others. Raises Poison, and PyMongoError."""
        told = notice(event)
        if told is None:
            return
        if told.template is Template.ALERT:
            player_id, chosen = "", [Channel.ALERTS]
        else:
            player_id = event.player_id
            chosen = wanted(told.template, await self._store.preferences(player_id))
        now = datetime.now(UTC)
        for channel in chosen:
            if channel in self._channels:
                message_id = f"{event.event_id}:{channel}"
                await self._store.add(
                    Message(message_id, player_id, told.template, channel, told.facts, trace_headers(), now)
                )
                self._wake(channel)
