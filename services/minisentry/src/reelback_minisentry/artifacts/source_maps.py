"""Where a place of a minified script is in its sources: source maps, read by the library symbolic on one thread."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from reelback_minisentry.artifacts.bundle import MAX_FILE
from reelback_minisentry.store import keys
from reelback_minisentry.store.shelf import Shelf

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from symbolic.sourcemapcache import SourceMapCache

log = logging.getLogger(__name__)

AROUND = 5
"""Lines of context before and after."""

MAX_HELD = 3 * MAX_FILE
"""Bytes of scripts and maps whose indexes are held: symbolic has them in files without a name, below TMPDIR."""

MAX_WAITING = 64
"""Questions that wait for the thread; more are not answered."""

_MAX_NUMBER = 2**31


class Place(NamedTuple):
    """A place in a script; line and column count from 1."""

    debug_id: str
    line: int
    column: int

    @property
    def is_one(self) -> bool:
        """Whether there can be such a place."""
        return bool(self.debug_id) and 0 < self.line < _MAX_NUMBER and 0 < self.column < _MAX_NUMBER


class Original(NamedTuple):
    """A place in a source: its path as the map has it, the function, and the lines around `line`."""

    source: str
    line: int
    column: int
    function: str
    before: list[str]
    text: str
    after: list[str]


class Unreadable(Exception):
    """A script or a map that cannot be read. The message is one line."""


class SourceMaps:
    """Answers out of the artifacts that are kept. The indexes that were asked for last stay in memory."""

    def __init__(self, redis: Redis) -> None:
        self._artifacts = Shelf(redis, keys.ARTIFACTS)
        self._thread = ThreadPoolExecutor(1, "source-maps")
        self._held: OrderedDict[str, tuple[SourceMapCache, int]] = OrderedDict()  # the thread's alone
        self._waiting = 0

    async def originals(self, places: Iterable[Place]) -> tuple[dict[Place, Original], dict[str, str]]:
        """What is known of these places, and by debug id why one could not be looked up.

        Raises redis.RedisError when Redis does not answer.
        """
        by_id: defaultdict[str, list[Place]] = defaultdict(list)
        for place in places:
            if place.is_one:
                by_id[place.debug_id].append(place)
        found: dict[Place, Original] = {}
        problems: dict[str, str] = {}
        for debug_id, asked in by_id.items():
            try:
                known = await self._of(debug_id, asked)
                found |= known
                if len(known) < len(asked):
                    problems[debug_id] = "its source map does not say where all of its frames come from"
            except Unreadable as error:
                problems[debug_id] = str(error)
        return found, problems

    async def _of(self, debug_id: str, places: list[Place]) -> Mapping[Place, Original]:
        if self._waiting >= MAX_WAITING:
            raise Unreadable("too many stack traces are being read at once")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            known = await loop.run_in_executor(self._thread, self._look_up, debug_id, places)
            if known is None:
                script, map_ = await self._artifacts.fields(debug_id, "script", "map")
                if not script or not map_:
                    raise Unreadable("no script with this debug id was uploaded together with its map")
                known = await loop.run_in_executor(self._thread, self._read, debug_id, script, map_, places)
            return known
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the thread; what it is doing is ended first."""
        self._thread.shutdown(cancel_futures=True)

    def _read(self, debug_id: str, script: bytes, map_: bytes, places: list[Place]) -> Mapping[Place, Original]:
        # It brings a library of 78 MB with it: what never sees a stack trace of a browser does without.
        from symbolic.exceptions import SymbolicError
        from symbolic.sourcemapcache import SourceMapCache

        source, mapping = zlib.decompress(script), zlib.decompress(map_)
        size = len(source) + len(mapping)
        while self._held and size + sum(held for _, held in self._held.values()) > MAX_HELD:
            self._held.popitem(last=False)
        try:
            index = SourceMapCache.from_bytes(source, mapping)
        except SymbolicError as error:
            log.warning("the source map of %s cannot be read: %s", debug_id, error)
            raise Unreadable(f"its source map cannot be read: {error}") from None
        self._held[debug_id] = index, size
        return self._look_up(debug_id, places) or {}

    def _look_up(self, debug_id: str, places: list[Place]) -> Mapping[Place, Original] | None:
        """None when the index is not in memory."""
        if debug_id not in self._held:
            return None
        self._held.move_to_end(debug_id)
        index, _ = self._held[debug_id]
        found: dict[Place, Original] = {}
        for place in places:
            token = index.lookup(place.line, place.column, AROUND)
            if token and token.src:
                found[place] = Original(
                    source=token.src,
                    line=token.line,
                    column=token.col,
                    function=token.function_name or "",
                    before=[line.rstrip("\r\n") for line in token.pre_context],
                    text=(token.context_line or "").rstrip("\r\n"),
                    after=[line.rstrip("\r\n") for line in token.post_context],
                )
        return found
