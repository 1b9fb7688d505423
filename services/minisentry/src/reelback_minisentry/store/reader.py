"""The read side: counters, event rows, issues, traces, releases and deploys out of Redis, decoded but not shaped."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Collection, Iterable
from typing import TYPE_CHECKING, Any

import orjson

from reelback_minisentry.store import keys
from reelback_minisentry.store.cells import Cell, cells
from reelback_minisentry.store.keys import Cube
from reelback_minisentry.store.records import FAILED_SESSIONS, TraceLine
from reelback_minisentry.store.scope import Place, Window
from reelback_minisentry.timestamps import iso

if TYPE_CHECKING:
    from redis.asyncio import Redis

CHUNK = 500
"""Keys or rows read at once."""


class Gone(Exception):
    """Counters of the window had to go for lack of room: what is left is not the whole. The message is one line."""


class Reader:
    """Reads; every method raises redis.RedisError when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis: Any = redis  # its annotations do not know that answers are bytes here

    async def counters(self, cube: Cube, window: Window) -> list[tuple[int, dict[bytes, bytes]]]:
        """The counters of each step of the window that has any: (start of the step, field -> count).

        Raises Gone when others, which it promised to keep, had to go.
        """
        found: list[tuple[int, dict[bytes, bytes]]] = []
        starts = range(window.start, window.end, window.step)
        for at in range(0, len(starts), CHUNK):
            chunk = starts[at : at + CHUNK]
            async with self._redis.pipeline(transaction=False) as pipe:
                for start in chunk:
                    pipe.hgetall(cube.key(window.step, start))
                found += [(start, hash_) for start, hash_ in zip(chunk, await pipe.execute(), strict=True) if hash_]
        since = float(await self._redis.get(f"{keys.SINCE}{window.step}") or 0)
        if window.start < since and since > time.time() - keys.PROMISED[window.step]:
            raise Gone(f"The counters of before {iso(since)} had to go for lack of room: ask for a later start.")
        return found

    async def cells(self, cube: Cube, window: Window, place: Place) -> list[Cell]:
        """The counters of a window, summed over time."""
        counted = await self.counters(cube, window)
        return cells(cube, (hash_ for _, hash_ in counted), place)

    async def sessions(self, window: Window, place: Place) -> list[tuple[int, Cell]]:
        """Counters of sessions by hour: cells with an `outcome`, those kept as sets of ids included."""
        found: list[tuple[int, Cell]] = []
        for start, hash_ in await self.counters(keys.SESSIONS, window):
            hour = cells(keys.SESSIONS, [hash_], place)
            found += [(start, cell) for cell in hour]
            started = [row for row, _ in hour if row["outcome"] == "started"]
            async with self._redis.pipeline(transaction=False) as pipe:
                for row in started:
                    series = keys.series(*(row[name] for name in keys.SESSIONS.dimensions[:-1]))
                    for outcome in (*FAILED_SESSIONS, "errored"):
                        pipe.scard(keys.sids(start, series, outcome))
                counts = await pipe.execute() if started else []
            each = len(FAILED_SESSIONS) + 1
            for row, at in zip(started, range(0, len(counts), each), strict=True):
                *failed, errored = counts[at : at + each]
                bad = dict(zip(FAILED_SESSIONS, failed, strict=True)) | {"errored": max(0, errored - sum(failed))}
                found += [(start, ({**row, "outcome": f"sid:{outcome}"}, n)) for outcome, n in bad.items() if n]
        return found

    async def sizes(self, unions: Collection[tuple[str, ...]]) -> dict[tuple[str, ...], int]:
        """How many users are in the sets of these keys taken together, 0.8 % off."""
        named = [keys_ for keys_ in unions if keys_]
        async with self._redis.pipeline(transaction=False) as pipe:
            for keys_ in named:
                pipe.pfcount(*keys_)
            return dict(zip(named, await pipe.execute(), strict=True)) if named else {}

    async def rows(self, window: Window, newest_first: bool) -> AsyncIterator[dict[str, Any]]:
        """Error events of a window, in the order of their time."""
        low, high = window.start, f"({window.end}"
        for at in range(0, keys.MAX_EVENTS, CHUNK):
            if newest_first:
                raw = await self._redis.zrevrangebyscore(keys.EVENTS, high, low, start=at, num=CHUNK)
            else:
                raw = await self._redis.zrangebyscore(keys.EVENTS, low, high, start=at, num=CHUNK)
            for row in raw:
                yield orjson.loads(row)
            if len(raw) < CHUNK:
                return

    async def rows_of(self, events: Collection[str], window: Window) -> dict[str, dict[str, Any]]:
        """The rows of these error events by their ids, those that are in the window and still here."""
        wanted, found = set(events), dict[str, dict[str, Any]]()
        async for row in self.rows(window, newest_first=True):
            if row["id"] in wanted:
                found[row["id"]] = row
            if len(found) == len(wanted):
                break
        return found

    async def issue_numbers(self) -> list[str]:
        """The issues, last seen first."""
        return [raw.decode() for raw in await self._redis.zrevrange(keys.ISSUES, 0, keys.MAX_ISSUES - 1)]

    async def issues(self, numbers: Iterable[str]) -> list[tuple[str, dict[str, bytes]]]:
        """The stored fields of these issues; those that are gone are left out."""
        return await self._hashes(keys.ISSUE, numbers)

    async def releases(self) -> list[tuple[str, dict[str, bytes]]]:
        """The stored fields of all releases, newest first; `created` is in them."""
        scored = await self._redis.zrevrange(keys.RELEASES, 0, -1, withscores=True)
        created = {raw.decode(): str(score).encode() for raw, score in scored}
        return [
            (name, {**fields, "created": created[name]}) for name, fields in await self._hashes(keys.RELEASE, created)
        ]

    async def release(self, version: str) -> dict[str, bytes] | None:
        """One release; None when there is none of this version."""
        created = await self._redis.zscore(keys.RELEASES, version)
        if created is None:
            return None
        fields = await self._redis.hgetall(keys.RELEASE + version)
        return {**{name.decode(): value for name, value in fields.items()}, "created": str(created).encode()}

    async def projects(self) -> set[str]:
        """The projects that something came from."""
        return {raw.decode() for raw in await self._redis.smembers(keys.PROJECTS)}

    async def deploys(self) -> list[dict[str, Any]]:
        """All deploys, the last finished first."""
        return [orjson.loads(raw) for raw in await self._redis.zrevrange(keys.DEPLOYS, 0, -1)]

    async def trace(self, trace_id: str) -> list[TraceLine]:
        """The spans and errors of a trace, as they were stored; [] when it is not known (any more)."""
        raw = await self._redis.get(keys.TRACE + trace_id)
        return [orjson.loads(line) for line in raw.splitlines()] if raw else []

    async def newest_traces(self, since: float, limit: int) -> list[tuple[str, list[TraceLine]]]:
        """The traces last written to since then, the newest first, and no more than so many."""
        # Those with an error are kept longer, by a score that lies so far ahead.
        ahead = time.time() + 60
        plain = await self._redis.zrevrangebyscore(keys.TRACES, ahead, since, start=0, num=limit, withscores=True)
        failed = await self._redis.zrevrangebyscore(
            keys.TRACES, "+inf", max(ahead, since + keys.ERROR_GRACE), start=0, num=limit, withscores=True
        )
        written = [*plain, *((id_, score - keys.ERROR_GRACE) for id_, score in failed)]
        ids = [id_ for id_, _ in sorted(written, key=lambda it: it[1], reverse=True)[:limit]]
        stored = await self._redis.mget([keys.TRACE.encode() + id_ for id_ in ids]) if ids else []
        return [
            (id_.decode(), [orjson.loads(line) for line in raw.splitlines()])
            for id_, raw in zip(ids, stored, strict=True)
            if raw
        ]

    async def ping(self) -> None:
        """Return when Redis answers."""
        await self._redis.ping()

    async def _hashes(self, prefix: str, names: Iterable[str]) -> list[tuple[str, dict[str, bytes]]]:
        wanted = list(names)
        async with self._redis.pipeline(transaction=False) as pipe:
            for name in wanted:
                pipe.hgetall(prefix + name)
            found = await pipe.execute() if wanted else []
        return [
            (name, {field.decode(): value for field, value in fields.items()})
            for name, fields in zip(wanted, found, strict=True)
            if fields
        ]
