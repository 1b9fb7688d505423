"""Keeps what Redis holds within its bounds: the oldest traces, issues, releases and deploys go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reelback_minisentry.store import keys
from reelback_minisentry.store.write_batch import Batch

if TYPE_CHECKING:
    from redis.asyncio import Redis

STEP = 200
"""Entries removed at once, at most: no long command while others wait."""


class Trimmer:
    """Runs after batches, in the writer: so nothing grows past a bound by more than one batch."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its annotations do not know that answers are bytes here
        self._trace_bytes: dict[str, int] | None = None
        self._total = 0

    def is_full(self, trace_id: str) -> bool:
        """Whether a trace has reached TRACE_BYTES and takes no more spans."""
        return self._trace_bytes is not None and self._trace_bytes.get(trace_id, 0) >= keys.TRACE_BYTES

    async def after(self, batch: Batch) -> None:
        """Remove what the batch has pushed out."""
        if batch.traces:
            await self._trim_traces(batch)
        if batch.issues:
            await self._trim_index(keys.ISSUES, keys.ISSUE, keys.MAX_ISSUES)
        if batch.releases:
            await self._trim_index(keys.RELEASES, keys.RELEASE, keys.MAX_RELEASES)

    async def _trim_traces(self, batch: Batch) -> None:
        if self._trace_bytes is None:
            self._trace_bytes = await self._measure()
            self._total = sum(self._trace_bytes.values())
        else:
            for trace_id, lines in batch.traces.items():
                if not self.is_full(trace_id):
                    self._trace_bytes[trace_id] = self._trace_bytes.get(trace_id, 0) + len(lines)
                    self._total += len(lines)
        while len(self._trace_bytes) > keys.MAX_TRACES or self._total > keys.TRACES_BYTES:
            oldest = [raw.decode() for raw in await self._redis.zrange(keys.TRACES, 0, STEP - 1)]
            if not oldest:
                return
            gone: list[str] = []
            for trace_id in oldest:
                if len(self._trace_bytes) <= keys.MAX_TRACES and self._total <= keys.TRACES_BYTES:
                    break
                self._total -= self._trace_bytes.pop(trace_id, 0)
                gone.append(trace_id)
            await self._remove(keys.TRACES, keys.TRACE, gone)

    async def _measure(self) -> dict[str, int]:
        """The bytes of every trace: asked once, after a start."""
        ids = [raw.decode() for raw in await self._redis.zrange(keys.TRACES, 0, -1)]
        async with self._redis.pipeline(transaction=False) as pipe:
            for trace_id in ids:
                pipe.strlen(keys.TRACE + trace_id)
            return dict(zip(ids, await pipe.execute(), strict=True))

    async def _trim_index(self, index: str, prefix: str, limit: int) -> None:
        while (over := await self._redis.zcard(index) - limit) > 0:
            oldest = await self._redis.zrange(index, 0, min(over, STEP) - 1)
            await self._remove(index, prefix, [raw.decode() for raw in oldest])

    async def _remove(self, index: str, prefix: str, names: list[str]) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zrem(index, *names)
            pipe.unlink(*(prefix + name for name in names))
            await pipe.execute()
