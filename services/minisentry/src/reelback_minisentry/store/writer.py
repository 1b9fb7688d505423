"""The write side: requests that come together are stored together, and each is acknowledged after its own batch.

One writer takes the open batch, writes it as one MULTI/EXEC, and sets its event; what arrives meanwhile gathers in
the next batch. So the more comes in, the cheaper each request is, and a batch is stored whole or not at all.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import orjson
from prometheus_client import Counter, Histogram
from redis.exceptions import OutOfMemoryError, RedisError

from reelback_minisentry.stats import distinct
from reelback_minisentry.store import event_detail, keys
from reelback_minisentry.store.cardinality import Room
from reelback_minisentry.store.records import Error, Kind, Records
from reelback_minisentry.store.retention import Trimmer
from reelback_minisentry.store.write_batch import Batch, IssueUpdate

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

log = logging.getLogger(__name__)

MAX_WAITING = 4096
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""Requests of an open batch and what they weighed; more are refused until the writer has caught up."""

_FULL = "full"

_MERGE = """
local change = cjson.decode(ARGV[1])
for field, value in pairs(change.once or {}) do redis.call('HSETNX', KEYS[1], field, value) end
for field, value in pairs(change.set or {}) do redis.call('HSET', KEYS[1], field, value) end
for field, n in pairs(change.add or {}) do redis.call('HINCRBY', KEYS[1], field, n) end
if change.lifetime then redis.call('EXPIRE', KEYS[1], change.lifetime) end
"""
"""What a batch adds to one hash, as one command: fields that only the first may set, fields to set, and counts."""

_APPEND = """
for i, key in ipairs(KEYS) do redis.call('APPEND', key, ARGV[i]) end
"""
"""All of a batch's spans as one command: what each command costs here is more than what it does there."""

_STATS = """
for i = 2, #ARGV, 2 do
  local count, sum, low, high, last, at = struct.unpack('<dddddd', ARGV[i + 1])
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if held then
    local count0, sum0, low0, high0, last0, at0 = struct.unpack('<dddddd', held)
    count, sum, low, high = count + count0, sum + sum0, math.min(low, low0), math.max(high, high0)
    if at0 > at then last, at = last0, at0 end
  end
  redis.call('HSET', KEYS[1], ARGV[i], struct.pack('<dddddd', count, sum, low, high, last, at))
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""
"""Merges packed stats (metric_stats.py) into those of one hash, without a look at what is stored."""

_SKETCHES = """
local limit = tonumber(ARGV[2])
for i = 3, #ARGV, 2 do
  local sketch = ARGV[i + 1]
  local held = redis.call('HGET', KEYS[1], ARGV[i])
  if held then
    local seen, hashes = {}, {}
    for _, part in ipairs({held, sketch}) do
      for at = 1, #part, 4 do
        local hash = string.sub(part, at, at + 3)
        if not seen[hash] then
          seen[hash] = true
          hashes[#hashes + 1] = hash
        end
      end
    end
    table.sort(hashes)
    sketch = table.concat(hashes, '', 1, math.min(#hashes, limit))
  end
  redis.call('HSET', KEYS[1], ARGV[i], sketch)
end
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""
"""Merges sketches (distinct.py) into those of one hash: the least hashes of both, big-endian, so in their order."""

BATCHES = Histogram("minisentry_batch_requests", "Requests stored together", buckets=(1, 2, 5, 10, 20, 50, 100, 500))
FAILURES = Counter("minisentry_batch_failures", "Batches that Redis did not take")


class Busy(Exception):
    """More waits to be stored than fits; the sender may come again in a second."""


class Full(Exception):
    """Redis has no room for it: nothing of the request is stored."""


class Unavailable(Exception):
    """Redis did not take it: nothing of the request is stored."""


class Writer:
    """Writes records. `run` must be running for `write` to return."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._rooms: dict[Kind, Room] = {"server": Room.of(1), "browser": Room.of(keys.BROWSER_SHARE)}
        self._open = self._new()
        self._wake = asyncio.Event()
        self._trimmer = Trimmer(redis)
        self._projects: set[str] = set()

    async def write(self, records: Records) -> None:
        """Return once the records are stored. Raises Busy, Full or Unavailable; then nothing of them is."""
        batch = self._open
        if batch.size >= MAX_WAITING or batch.bytes >= MAX_WAITING_BYTES:
            raise Busy
        batch.add(records)
        self._wake.set()
        await batch.stored.wait()
        if batch.failed:
            raise Full if batch.failed == _FULL else Unavailable(batch.failed)

    async def run(self) -> None:
        """Write batches until cancelled; one that is under way is still ended."""
        me = asyncio.current_task()
        # Redis' client waits with wait_for, which loses a cancellation that comes together with an answer.
        while me is None or not me.cancelling():
            await self._wake.wait()
            self._wake.clear()
            batch, self._open = self._open, self._new()
            try:
                written = await self._commit(batch)
                BATCHES.observe(batch.size)
            except (RedisError, OSError, TimeoutError) as error:
                FAILURES.inc()
                log.warning("a batch of %d requests was not stored: %s: %s", batch.size, type(error).__name__, error)
                batch.failed = _FULL if isinstance(error, OutOfMemoryError) else type(error).__name__
            except BaseException:
                batch.failed = "the writer ended"
                raise
            finally:
                batch.stored.set()
            if not batch.failed:
                await self._trim(batch, written)

    def _new(self) -> Batch:
        return Batch(self._rooms)

    async def _trim(self, batch: Batch, written: list[str]) -> None:
        try:
            if await self._trimmer.after(batch, written):
                self._projects.clear()
        except (RedisError, OSError, TimeoutError) as error:  # the next batch tries again
            log.warning("old entries were not removed: %s: %s", type(error).__name__, error)

    def _new_projects(self, batch: Batch) -> list[str]:
        """Those that this process has not made known yet; there is an end to how many are."""
        return list(batch.projects - self._projects)[: keys.MAX_PROJECTS - len(self._projects)]

    async def _commit(self, batch: Batch) -> list[str]:
        """Write; the keys of the counters that were written to."""
        projects = self._new_projects(batch)
        async with self._redis.pipeline(transaction=True) as pipe:
            written = _add_counts(pipe, batch)
            self._add_entries(pipe, batch, projects)
            await pipe.execute()
        self._projects.update(projects)
        return written

    def _add_entries(self, pipe: Pipeline, batch: Batch, projects: list[str]) -> None:
        """Traces, error events, issues, releases and projects."""
        if lines := {name: new for name, new in batch.traces.items() if not self._trimmer.is_full(name)}:
            pipe.eval(_APPEND, len(lines), *(keys.TRACE + name for name in lines), *lines.values())
        if batch.trace_scores:
            pipe.zadd(keys.TRACES, batch.trace_scores, gt=True)
        if batch.events:
            pipe.zadd(keys.EVENTS, batch.events)
            pipe.zremrangebyrank(keys.EVENTS, 0, -keys.MAX_EVENTS - 1)
        if batch.issues:
            pipe.zadd(keys.ISSUES, {str(number): update.last.at for number, update in batch.issues.items()}, gt=True)
        for number, update in batch.issues.items():
            _merge_issue(pipe, number, update)
        if projects:
            pipe.sadd(keys.PROJECTS, *projects)
        if batch.releases:
            pipe.zadd(keys.RELEASES, {version: first for version, (first, _) in batch.releases.items()}, nx=True)
        for version, (first, last) in batch.releases.items():
            _merge(pipe, keys.RELEASE + version, once={"first_event": str(first)}, set={"last_event": str(last)})


def _add_counts(pipe: Pipeline, batch: Batch) -> list[str]:
    """Counters, stats, sketches and sets of ids; the keys of all."""
    written: list[str] = []
    for key, lifetime, counts in batch.counters():
        _merge(pipe, key, add=counts, lifetime=lifetime)
        written.append(key)
    for key, lifetime, stats in batch.stats():
        packed = [part for field, one in stats.items() for part in (field, one.pack())]
        pipe.eval(_STATS, 1, key, lifetime, *packed)
        written.append(key)
    for key, lifetime, sketches in batch.sketches():
        parts = [part for field, sketch in sketches.items() for part in (field, sketch)]
        pipe.eval(_SKETCHES, 1, key, lifetime, distinct.SAMPLE, *parts)
        written.append(key)
    for key, ids in batch.sids.items():
        pipe.sadd(key, *ids)
        pipe.expire(key, keys.LIFETIME[keys.HOUR])
    for key, ids in batch.users.items():
        pipe.pfadd(key, *ids)
        pipe.expire(key, keys.LIFETIME[keys.HOUR])
    return [*written, *batch.sids, *batch.users]


def _merge(pipe: Pipeline, key: str, **change: object) -> None:
    pipe.eval(_MERGE, 1, key, orjson.dumps(change))


def _merge_issue(pipe: Pipeline, number: int, update: IssueUpdate) -> None:
    """Make or update an issue, without a look at what is stored of it."""
    first = update.first
    once = {"head": _json({"project": first.origin.project, "platform": first.platform})}
    latest = {"latest": _json(_latest(update.last))}
    counts: dict[str, int] = {}
    for environment, (n, earliest, newest) in update.environments.items():
        counts[f"count|{environment}"] = n
        once[f"first|{environment}"] = _json([earliest.at, earliest.origin.release])
        latest[f"last|{environment}"] = _json([newest.at, newest.origin.release])
    for release, n in update.releases.items():
        counts[f"release|{release}"] = n
    _merge(pipe, f"{keys.ISSUE}{number}", once=once, set=latest, add=counts)


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _latest(error: Error) -> dict[str, object]:
    return {
        **error.row,
        "handled": error.handled,
        "metadata": error.metadata,
        "detail": event_detail.detail(error.event),
    }
