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
from redis.exceptions import RedisError

from reelback_minisentry import keys
from reelback_minisentry.batch import Batch, IssueUpdate, Series
from reelback_minisentry.records import Error, Records
from reelback_minisentry.trim import Trimmer

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

log = logging.getLogger(__name__)

MAX_WAITING = 4096
MAX_WAITING_BYTES = 16 * 1024 * 1024
"""Requests of an open batch and what they weighed; more are refused until the writer has caught up."""

BATCHES = Histogram("minisentry_batch_requests", "Requests stored together", buckets=(1, 2, 5, 10, 20, 50, 100, 500))
FAILURES = Counter("minisentry_batch_failures", "Batches that Redis did not take")


class Busy(Exception):
    """More waits to be stored than fits; the sender may come again in a second."""


class Unavailable(Exception):
    """Redis did not take it: nothing of the request is stored."""


class Store:
    """Writes records. `run` must be running for `write` to return."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._series = Series()
        self._open = Batch(self._series)
        self._wake = asyncio.Event()
        self._trimmer = Trimmer(redis)

    async def write(self, records: Records) -> None:
        """Return once the records are stored. Raises Busy or Unavailable; then nothing of them is."""
        batch = self._open
        if batch.size >= MAX_WAITING or batch.bytes >= MAX_WAITING_BYTES:
            raise Busy
        batch.add(records)
        self._wake.set()
        await batch.stored.wait()
        if batch.failed:
            raise Unavailable(batch.failed)

    async def run(self) -> None:
        """Write batches until cancelled; one that is under way is still ended."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._open = self._open, Batch(self._series)
            try:
                await self._commit(batch)
                BATCHES.observe(batch.size)
            except (RedisError, OSError, TimeoutError) as error:
                FAILURES.inc()
                log.warning("a batch of %d requests was not stored: %s: %s", batch.size, type(error).__name__, error)
                batch.failed = type(error).__name__
            except BaseException:
                batch.failed = "the writer ended"
                raise
            finally:
                batch.stored.set()
            if not batch.failed:
                await self._trim(batch)

    async def _trim(self, batch: Batch) -> None:
        try:
            await self._trimmer.after(batch)
        except (RedisError, OSError, TimeoutError) as error:  # the next batch tries again
            log.warning("old entries were not removed: %s: %s", type(error).__name__, error)

    async def _commit(self, batch: Batch) -> None:
        async with self._redis.pipeline(transaction=True) as pipe:
            for key, fields in batch.counts.items():
                for field, n in fields.items():
                    pipe.hincrby(key, field, n)
            for key, lifetime in batch.lifetimes.items():
                pipe.expire(key, lifetime)
            for key, ids in batch.sids.items():
                pipe.sadd(key, *ids)
                pipe.expire(key, keys.LIFETIME[keys.HOUR])
            for trace_id, lines in batch.traces.items():
                if not self._trimmer.is_full(trace_id):
                    pipe.append(keys.TRACE + trace_id, b"\n".join(lines) + b"\n")
            if batch.trace_scores:
                pipe.zadd(keys.TRACES, batch.trace_scores, gt=True)
            if batch.events:
                pipe.zadd(keys.EVENTS, batch.events)
                pipe.zremrangebyrank(keys.EVENTS, 0, -keys.MAX_EVENTS - 1)
            for number, update in batch.issues.items():
                _write_issue(pipe, number, update)
            for version, (first, last) in batch.releases.items():
                pipe.zadd(keys.RELEASES, {version: first}, nx=True)
                pipe.hsetnx(keys.RELEASE + version, "first_event", first)
                pipe.hset(keys.RELEASE + version, "last_event", str(last))
            await pipe.execute()


def _write_issue(pipe: Pipeline, number: int, update: IssueUpdate) -> None:
    """Make or update an issue. What only the first event may set is set with HSETNX: no look before the write."""
    key, first, last = f"{keys.ISSUE}{number}", update.first, update.last
    pipe.zadd(keys.ISSUES, {str(number): last.at}, gt=True)
    pipe.hsetnx(key, "head", orjson.dumps({"project": first.project, "platform": first.platform}))
    pipe.hset(key, "latest", orjson.dumps(_latest(last)))
    for environment, (n, earliest, newest) in update.environments.items():
        pipe.hincrby(key, f"count|{environment}", n)
        pipe.hsetnx(key, f"first|{environment}", orjson.dumps([earliest.at, earliest.release]))
        pipe.hset(key, f"last|{environment}", orjson.dumps([newest.at, newest.release]))
    for release, n in update.releases.items():
        pipe.hincrby(key, f"release|{release}", n)


def _latest(error: Error) -> dict[str, object]:
    return {
        "id": error.event_id,
        "timestamp": error.at,
        "release": error.release,
        "environment": error.environment,
        "level": error.level,
        "transaction": error.transaction,
        "trace": error.trace_id,
        "span": error.span_id,
        "title": error.title,
        "culprit": error.culprit,
        "handled": error.handled,
        "metadata": error.metadata,
        "detail": error.detail,
    }
