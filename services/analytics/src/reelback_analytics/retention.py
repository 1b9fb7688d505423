"""What becomes of old minutes, and totals since the beginning.

A minute that is older than RETENTION is added to what its player did `before`, {_id: topic/player/game, through:
minute, ...sums}, and then deleted. `through` is the last minute in there: minutes are added in their order, so one that
a crash has left behind after it was added is known by it, and is not added again. Nothing is deleted by an index
(TTL), which would not wait until a minute was added.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from pymongo import ASCENDING
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError, PyMongoError
from reelback_common.mongo import Document

from reelback_analytics.store import MAX_AGE, WITHOUT_IDS, Tallies
from reelback_analytics.tally import KINDS, Account, Money, Play, Sums, minute_of

RETENTION = MAX_AGE + timedelta(days=1)
"""How long it is known what was in which minute. Nothing is counted in a minute any more when it is retired."""

INTERVAL = 3600.0
"""Seconds between two looks for old minutes."""

S = TypeVar("S", bound=Sums)
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Totals:
    """Everything since the beginning."""

    games: dict[str, Play]
    money: Money
    accounts: Account


class Retention:
    """The past of all players."""

    def __init__(self, database: AsyncDatabase[Document], tallies: Tallies) -> None:
        self._database = database
        self._before = database["before"]
        self._tallies = tallies

    async def run(self) -> None:
        """Retire old minutes, again and again, until cancelled."""
        while True:
            try:
                await self.retire(datetime.now(UTC))
            except PyMongoError as error:
                logger.warning("old figures stay for another while: %s", type(error).__name__)
            await asyncio.sleep(INTERVAL)

    async def retire(self, now: datetime) -> None:
        """Add what is old at `now` to what was before, and forget its events."""
        for kind in KINDS:
            async for document in self._older(kind, minute_of(now - RETENTION)):
                await self._add(kind, document)
                await self._database[kind.TOPIC].delete_one({"_id": document["_id"]})

    async def _add(self, kind: type[Sums], document: Document) -> None:
        values = asdict(kind.of(document))
        highest = {name: values.pop(name) for name in kind.HIGHEST}
        try:
            await self._before.update_one(
                {"_id": _key(kind, document), "through": {"$lt": document["minute"]}},
                {
                    "$setOnInsert": {"topic": kind.TOPIC, "game": document["game"]},
                    "$set": {"through": document["minute"]},
                    "$inc": values,
                    **({"$max": highest} if highest else {}),
                },
                upsert=True,
            )
        except DuplicateKeyError:
            logger.info("a minute that was retired before is deleted now")

    async def totals(self) -> Totals:
        """Everything that was ever counted, exactly: what is counted or retired meanwhile is in it once or not yet."""
        play, money, account = await self._total(Play), await self._total(Money), await self._total(Account)
        return Totals(dict(play), sum(money.values(), Money()), sum(account.values(), Account()))

    async def _total(self, kind: type[S]) -> dict[str, S]:
        """By game. Reads what is about to be retired first, so that it cannot be missed between here and there."""
        total: dict[str, S] = defaultdict(kind)
        # An hour more than retiring would take: what is young here stays young for as long as this takes.
        young = minute_of(datetime.now(UTC) - RETENTION + timedelta(hours=1))
        old = [document async for document in self._older(kind, young)]
        through: dict[str, int] = {}
        async for document in self._before.find({"topic": kind.TOPIC}):
            total[document["game"]] += kind.of(document)
            through[document["_id"]] = document["through"]
        for document in old:
            if document["minute"] > through.get(_key(kind, document), -1):
                total[document["game"]] += kind.of(document)
        for group, sums, _ in await self._tallies.groups(kind, ["game"], {"minute": {"$gte": young}}):
            total[group["game"]] += sums
        return total

    async def _older(self, kind: type[Sums], minute: int) -> AsyncIterator[Document]:
        """The documents before a minute, in the order of time."""
        found = self._database[kind.TOPIC].find({"minute": {"$lt": minute}}, WITHOUT_IDS)
        async for document in found.sort("minute", ASCENDING):
            yield document


def _key(kind: type[Sums], document: Document) -> str:
    return f"{kind.TOPIC}/{document['player_id']}/{document['game']}"
