"""The read side of replays: what is kept of them, loaded and unpacked."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING, Any

from reelback_minisentry.replays import replay
from reelback_minisentry.store import keys
from reelback_minisentry.store.shelf import Shelf

if TYPE_CHECKING:
    from redis.asyncio import Redis

MAX_ANSWER = 16 * 1024 * 1024
"""Bytes of recordings, unpacked, that are handed out at once."""


class Archive:
    """Reads; every method raises redis.RedisError when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._replays = Shelf(redis, keys.REPLAYS)
        self._recordings = Shelf(redis, keys.RECORDINGS)

    async def newest(self, most: int = keys.REPLAYS.most) -> list[dict[str, Any]]:
        """Replays in Sentry's shape, those first that were last written to."""
        found = [(name, await self._replays.get(name)) for name in await self._replays.newest(most)]
        return [replay.load(name, kept) for name, kept in found if kept]

    async def replay(self, replay_id: str) -> dict[str, Any] | None:
        """One of them."""
        kept = await self._replays.get(replay_id)
        return replay.load(replay_id, kept) if kept else None

    async def numbers(self, replay_id: str) -> list[int]:
        """The segments of a replay whose recording is here, in their order."""
        return sorted(int(number) for number in await self._recordings.names_of(replay_id))

    async def recordings(self, replay_id: str, numbers: list[int]) -> list[bytes]:
        """The recordings of these segments, each a list of events as JSON: the first of them, and as many as fit."""
        found: list[bytes] = []
        for number in numbers:
            [packed] = await self._recordings.fields(replay_id, str(number))
            plain = await asyncio.to_thread(_unpacked, packed or b"[]")
            if found and sum(map(len, found)) + len(plain) > MAX_ANSWER:
                break
            found.append(plain)
        return found


def _unpacked(recording: bytes) -> bytes:
    return recording if recording.startswith(b"[") else zlib.decompress(recording)
