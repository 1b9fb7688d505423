"""What people say of the pages, with the issue of the event that they say it about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.store import keys
from reelback_minisentry.store.reader import Reader
from reelback_minisentry.store.scope import Window
from reelback_minisentry.store.shelf import Shelf
from reelback_minisentry.timestamps import iso

if TYPE_CHECKING:
    from redis.asyncio import Redis

LATER = 3600
"""Seconds after an event in which somebody may say something about it."""


class FeedbackList:
    """Reads; every method raises redis.RedisError when Redis does not answer."""

    def __init__(self, redis: Redis, reader: Reader) -> None:
        self._shelf = Shelf(redis, keys.FEEDBACK)
        self._reader = reader

    async def newest(self, most: int = keys.FEEDBACK.most) -> list[dict[str, Any]]:
        """What is kept of them, the last first; `issue` is the number of the event's, None when it is not known."""
        found = [(await self._shelf.fields(name, "about"))[0] for name in await self._shelf.newest(most)]
        said = [orjson.loads(about) for about in found if about]
        events = {one["event"] for one in said if one["event"]}
        rows = {}
        if events:
            times = [one["at"] for one in said if one["event"]]
            window = Window(int(min(times)) - LATER, int(max(times)) + 60, keys.SECOND)
            rows = await self._reader.rows_of(events, window)
        return [{**one, "issue": rows[one["event"]]["issue"] if one["event"] in rows else None} for one in said]


def shape(said: dict[str, Any], names: ProjectNames) -> dict[str, Any]:
    """As Sentry's API shows it."""
    number = said["issue"]
    return {
        "id": said["id"],
        "eventID": said["event"] or said["id"],
        "event": {"eventID": said["event"] or said["id"], "id": None},
        "name": said["name"],
        "email": said["email"],
        "comments": said["message"],
        "dateCreated": iso(said["at"]),
        "issue": number and {"id": str(number), "shortId": names.short_id(said["origin"]["project"], number)},
        "user": None,
    }
