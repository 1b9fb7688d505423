"""Bundles that are being uploaded: their parts, and what becomes of them."""

from __future__ import annotations

import asyncio
import hashlib
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import orjson

from reelback_minisentry.artifacts import bundle
from reelback_minisentry.artifacts.bundle import Artifact, BadBundle
from reelback_minisentry.store import keys
from reelback_minisentry.store.shelf import Shelf, TooLarge

if TYPE_CHECKING:
    from redis.asyncio import Redis

CHUNK = keys.CHUNKS.each // 2
"""Bytes of a part; the last one of a bundle is shorter."""

PATIENCE = 10.0
"""Seconds that an upload waits for another one."""


class BadChunk(Exception):
    """A part that is not what its name says. The message is one line."""


class Uploads:
    """Takes parts, and puts bundles together. Every method raises redis.RedisError when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._chunks = Shelf(redis, keys.CHUNKS)
        self._bundles = Shelf(redis, keys.BUNDLES)
        self._artifacts = Shelf(redis, keys.ARTIFACTS)
        self._one = asyncio.Lock()

    async def take(self, checksum: str, part: bytes, now: float) -> None:
        """Keep a part. Raises BadChunk."""
        if len(part) > CHUNK:
            raise BadChunk(f"chunk {checksum}: it has {len(part)} bytes, and a chunk has at most {CHUNK}")
        if hashlib.sha1(part, usedforsecurity=False).hexdigest() != checksum:
            raise BadChunk(f"chunk {checksum}: this is not the checksum of what came")
        await self._chunks.put(checksum, {"part": part}, now)

    async def assemble(self, checksum: str, parts: list[str], about: dict[str, Any], now: float) -> dict[str, Any]:
        """The state of a bundle in Sentry's shape; one whose parts are here is put together at once."""
        if len(parts) * CHUNK >= bundle.MAX_BUNDLE + CHUNK:
            return _state("error", f"the bundle has more than {bundle.MAX_BUNDLE} bytes")
        async with asyncio.timeout(PATIENCE), self._one:  # one at a time: each takes memory
            if await self._is_known(checksum):
                return _state("ok")
            if missing := await self._chunks.missing(parts):
                return _state("not_found", missing=missing)
            try:
                artifacts = await asyncio.to_thread(_read, checksum, await self._joined(parts))
                await self._keep(checksum, artifacts, about, now)
            except BadBundle as error:
                return _state("error", str(error))
            except TooLarge:
                return _state("error", f"a script and its map have more than {keys.ARTIFACTS.each} bytes, compressed")
            finally:
                await self._chunks.drop(*parts)
            return _state("ok")

    async def _is_known(self, checksum: str) -> bool:
        """Whether all that was in a bundle is here, and had not to go since."""
        [ids] = await self._bundles.fields(checksum, "debug ids")
        return ids is not None and not await self._artifacts.missing(orjson.loads(ids))

    async def _joined(self, parts: list[str]) -> bytes:
        found = [(await self._chunks.fields(part, "part"))[0] for part in parts]
        return b"".join(part or b"" for part in found)

    async def _keep(self, checksum: str, artifacts: list[Artifact], about: dict[str, Any], now: float) -> None:
        by_id: defaultdict[str, dict[str, bytes]] = defaultdict(dict)
        for artifact in artifacts:
            by_id[artifact.debug_id] |= {artifact.kind: artifact.packed, f"{artifact.kind} url": artifact.url.encode()}
        for debug_id, fields in by_id.items():
            await self._artifacts.put(debug_id, fields, now)
        kept = {"debug ids": orjson.dumps([*by_id]), "about": orjson.dumps(about)}
        await self._bundles.put(checksum, kept, now)


def _read(checksum: str, raw: bytes) -> list[Artifact]:
    if hashlib.sha1(raw, usedforsecurity=False).hexdigest() != checksum:
        raise BadBundle("the checksum of the bundle is not that of its chunks")
    return bundle.read(raw)


def _state(state: str, detail: str | None = None, missing: list[str] | None = None) -> dict[str, Any]:
    return {"state": state, "missingChunks": missing or [], "detail": detail}
