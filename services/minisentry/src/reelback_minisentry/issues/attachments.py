"""Files that came with events, as Sentry's API shows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from reelback_minisentry.store import keys
from reelback_minisentry.store.shelf import Shelf
from reelback_minisentry.timestamps import iso

if TYPE_CHECKING:
    from redis.asyncio import Redis


class Attachments:
    """Reads; every method raises redis.RedisError when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._shelf = Shelf(redis, keys.ATTACHMENTS)

    async def of(self, event_id: str) -> list[dict[str, Any]]:
        """What is known of the files of an event, the first that came first."""
        named = [name for name in await self._shelf.names_of(event_id) if name.startswith("about ")]
        found = await self._shelf.fields(event_id, *named) if named else []
        kept = [orjson.loads(about) for about in found if about]
        return [_shape(event_id, about) for about in sorted(kept, key=lambda about: (about["at"], about["name"]))]

    async def content(self, event_id: str, attachment_id: str) -> bytes | None:
        """A file; None when it is not here (any more)."""
        [content] = await self._shelf.fields(event_id, f"content {attachment_id}")
        return content


def _shape(event_id: str, about: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": about["id"],
        "event_id": event_id,
        "type": about["type"],
        "name": about["name"],
        "mimetype": about["mimetype"],
        "dateCreated": iso(about["at"]),
        "size": about["size"],
        "headers": {"Content-Type": about["mimetype"]},
        "sha1": about["sha1"],
    }
