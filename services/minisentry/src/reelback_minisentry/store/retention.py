"""Keeps what Redis holds within its bounds: the oldest counters, traces, issues, releases and deploys go."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from reelback_minisentry.store import keys
from reelback_minisentry.store.write_batch import Batch
from reelback_minisentry.timestamps import iso

if TYPE_CHECKING:
    from redis.asyncio import Redis

log = logging.getLogger(__name__)

STEP = 200
"""Entries removed at once, at most: no long command while others wait."""

WEIGHING = 1.0
"""Seconds between two weighings of what was written to."""


class Trimmer:
    """Runs after batches, in the writer: so nothing grows past a bound by more than a second's batches.

    What things weigh is remembered here, and asked anew when the store has been emptied by somebody else.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its annotations do not know that answers are bytes here
        self._begun = False
        self._traces, self._issues = _Weights(), _Weights()
        self._counters = {step: _Weights() for step in keys.WEIGHT}
        self._touched: set[str] = set()
        self._due = 0.0

    def is_full(self, trace_id: str) -> bool:
        """Whether a trace has reached TRACE_BYTES and takes no more spans."""
        return self._traces.of.get(trace_id, 0) >= keys.TRACE_BYTES

    async def after(self, batch: Batch, written: Iterable[str]) -> bool:
        """Remove what the batch, with counters of the keys `written`, has pushed out.

        Returns whether somebody had emptied the store: what the process knows of it is then no more.
        """
        emptied = bool(await self._redis.set(keys.FILLED, 1, nx=True))
        if emptied or not self._begun:
            await self._begin()
        else:
            for trace_id, lines in batch.traces.items():
                if not self.is_full(trace_id):
                    self._traces.add(trace_id, len(lines))
            for number in batch.issues:
                self._issues.add(str(number), 0)
        await self._trim(self._traces, keys.TRACES, keys.TRACE, keys.MAX_TRACES, keys.TRACES_BYTES)
        await self._trim(self._issues, keys.ISSUES, keys.ISSUE, keys.MAX_ISSUES, keys.ISSUES_BYTES)
        if batch.releases:
            await self._trim_releases()
        self._touched.update(written, (f"{keys.ISSUE}{number}" for number in batch.issues))
        if (now := time.monotonic()) >= self._due:
            self._due = now + WEIGHING
            touched, self._touched = self._touched, set()
            await self._weigh(touched)
            for step, weights in self._counters.items():
                await self._trim_counters(step, weights)
        return emptied

    async def _begin(self) -> None:
        """Weigh everything: after a start, and when the store was emptied."""
        self._traces, self._issues = _Weights(), _Weights()
        self._counters = {step: _Weights() for step in keys.WEIGHT}
        ids = [raw.decode() for raw in await self._redis.zrange(keys.TRACES, 0, -1)]
        async with self._redis.pipeline(transaction=False) as pipe:
            for trace_id in ids:
                pipe.strlen(keys.TRACE + trace_id)
            for trace_id, size in zip(ids, await pipe.execute(), strict=True):
                self._traces.set(trace_id, size)
        for raw in await self._redis.zrange(keys.ISSUES, 0, -1):
            self._issues.add(raw.decode(), 0)
        found = [raw.decode() async for raw in self._redis.scan_iter(keys.PREFIX + "*", count=1000)]
        await self._weigh({key for key in found if key.startswith(keys.ISSUE) or keys.bucket(key)})
        self._begun = True

    async def _weigh(self, touched: Collection[str]) -> None:
        """Ask what these keys of counters and issues weigh."""
        every = sorted(touched)
        for at in range(0, len(every), STEP):
            chunk = every[at : at + STEP]
            async with self._redis.pipeline(transaction=False) as pipe:
                for key in chunk:
                    pipe.memory_usage(key)
                for key, size in zip(chunk, await pipe.execute(), strict=True):
                    if found := keys.bucket(key):
                        self._counters[found[0]].set(key, size or 0)
                    elif (number := key.removeprefix(keys.ISSUE)) in self._issues.of:
                        self._issues.set(number, size or 0)

    async def _trim(self, weights: _Weights, index: str, prefix: str, most: int, limit: int) -> None:
        """Remove what is first in the index until there are no more than `most`, of no more than `limit` bytes."""
        while len(weights.of) > most or weights.total > limit:
            oldest = [raw.decode() for raw in await self._redis.zrange(index, 0, STEP - 1)]
            if not oldest:
                self._begun = False  # this is not what was remembered: it is weighed anew after the next batch
                return
            gone: list[str] = []
            for name in oldest:
                if len(weights.of) <= most and weights.total <= limit:
                    break
                weights.drop(name)
                gone.append(name)
            await self._remove(index, prefix, gone)

    async def _trim_counters(self, step: int, weights: _Weights) -> None:
        """Remove the counters of the oldest times, a tenth more than must go; those of the present step stay."""
        if weights.total <= keys.WEIGHT[step]:
            return
        times = {key: found[1] for key in weights.of if (found := keys.bucket(key))}
        gone: list[str] = []
        for key in sorted(times, key=times.__getitem__):
            if weights.total <= 0.9 * keys.WEIGHT[step] or times[key] > time.time() - step:
                break
            weights.drop(key)
            gone.append(key)
        if gone:
            since = times[gone[-1]] + step
            # First: what reads meanwhile must not take what is left for the whole.
            await self._redis.set(f"{keys.SINCE}{step}", since, ex=keys.LIFETIME[keys.HOUR])
            log.warning("counters of before %s went: they took more than %d bytes", iso(since), keys.WEIGHT[step])
        for at in range(0, len(gone), STEP):
            await self._redis.unlink(*gone[at : at + STEP])

    async def _trim_releases(self) -> None:
        while (over := await self._redis.zcard(keys.RELEASES) - keys.MAX_RELEASES) > 0:
            oldest = await self._redis.zrange(keys.RELEASES, 0, min(over, STEP) - 1)
            await self._remove(keys.RELEASES, keys.RELEASE, [raw.decode() for raw in oldest])

    async def _remove(self, index: str, prefix: str, names: list[str]) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zrem(index, *names)
            pipe.unlink(*(prefix + name for name in names))
            await pipe.execute()


class _Weights:
    """Bytes by name, and their sum."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}
        self.total = 0

    def set(self, name: str, size: int) -> None:
        self.total += size - self.of.get(name, 0)
        self.of[name] = size

    def add(self, name: str, size: int) -> None:
        self.set(name, self.of.get(name, 0) + size)

    def drop(self, name: str) -> None:
        self.total -= self.of.pop(name, 0)
