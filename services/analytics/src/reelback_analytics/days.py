"""What each player did today, by minute, as the fraud rules want it.

`days` holds {_id: topic/player/day/game, minutes: [minute]}: which documents there are of a day, so that they are found
by their ids. It is asked once for each minute of a player and not for each event, and it also tells of minutes that
were counted by another instance, or before a restart.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Generic, TypeVar

from pymongo import ASCENDING, ReturnDocument
from pymongo.asynchronous.database import AsyncDatabase
from reelback_common.mongo import Document

from reelback_analytics.remembered import Remembered
from reelback_analytics.store import Tallies
from reelback_analytics.tally import Sums, Tally

REMEMBERED = 5_000
"""How many days of players are kept in memory; the others are read again when they come back."""

RETENTION = timedelta(days=2)
"""Longer than a day, since events may come late."""

S = TypeVar("S", bound=Sums)


class Days(Generic[S]):
    """Days of one kind of figures. Methods raise PyMongoError when the store does not answer."""

    def __init__(self, database: AsyncDatabase[Document], tallies: Tallies, kind: type[S]) -> None:
        self._days = database["days"]
        self._tallies = tallies
        self._kind = kind
        self._known: Remembered[str, dict[int, S]] = Remembered(REMEMBERED)

    async def prepare(self) -> None:
        """Create the index that forgets days."""
        await self._days.create_index([("last_at", ASCENDING)], expireAfterSeconds=int(RETENTION.total_seconds()))

    async def with_minute(self, tally: Tally, sums: S) -> dict[int, S]:
        """The day of an event, whose minute has come to `sums`."""
        key = f"{self._kind.TOPIC}/{tally.player_id}/{tally.at:%Y-%m-%d}/{tally.game}"
        minutes = self._known.get(key, {})
        if tally.minute not in minutes:
            unknown = set(await self._note(key, tally)) - set(minutes) - {tally.minute}
            if unknown:
                minutes |= await self._tallies.minutes(self._kind, tally.player_id, tally.game, unknown)
        minutes[tally.minute] = sums
        self._known[key] = minutes
        return minutes

    async def _note(self, key: str, tally: Tally) -> list[int]:
        """All minutes of a day; that of this event is one of them from now on."""
        document = await self._days.find_one_and_update(
            {"_id": key},
            {"$addToSet": {"minutes": tally.minute}, "$max": {"last_at": tally.at}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        return list(document["minutes"]) if document else []
