"""What is kept whole of a request, beside what is counted: it is written before the batch, and bounded on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from redis.exceptions import OutOfMemoryError, RedisError

from reelback_minisentry.store import keys
from reelback_minisentry.store.records import Attachment, Records
from reelback_minisentry.store.shelf import Shelf, TooLarge
from reelback_minisentry.store.writer import Full, Unavailable
from reelback_minisentry.untrusted import Rejected

if TYPE_CHECKING:
    from redis.asyncio import Redis


class Kept:
    """Writes replays, feedback and attachments."""

    def __init__(self, redis: Redis) -> None:
        self._replays = Shelf(redis, keys.REPLAYS)
        self._recordings = Shelf(redis, keys.RECORDINGS)
        self._feedback = Shelf(redis, keys.FEEDBACK)
        self._attachments = Shelf(redis, keys.ATTACHMENTS)

    async def write(self, records: Records) -> None:
        """Return once all is stored. Raises Rejected (413), Full or Unavailable; what is written twice is here once."""
        try:
            await self._write(records)
        except OutOfMemoryError:
            raise Full from None
        except (RedisError, OSError, TimeoutError) as error:
            raise Unavailable(type(error).__name__) from None

    async def _write(self, records: Records) -> None:
        for feedback in records.feedback:
            await self._feedback.put(feedback.feedback_id, {"about": orjson.dumps(feedback.about)}, records.now)
        for attachment in records.attachments:
            await self._attach(attachment, records)
        for segment in records.replays:
            name, number = segment.replay_id, str(segment.number)
            try:
                if segment.recording:
                    await self._recordings.put(name, {number: segment.recording}, records.now)
                await self._replays.put(name, {number: orjson.dumps(segment.about)}, records.now)
            except TooLarge:
                most = self._recordings.bounds.each
                raise Rejected(413, f"replay {name}: it has {most} bytes, and a replay may not have more") from None

    async def _attach(self, attachment: Attachment, records: Records) -> None:
        """Keep a file; one that is too large is counted, and its event taken all the same."""
        id_ = attachment.about["id"]
        fields = {f"about {id_}": orjson.dumps(attachment.about), f"content {id_}": attachment.content}
        try:
            await self._attachments.put(attachment.event_id, fields, records.now)
        except TooLarge:
            records.drops["too_large", "attachment"] += 1
