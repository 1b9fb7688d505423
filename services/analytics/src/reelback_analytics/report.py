"""The report: how the last hours went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from reelback_common import faults
from reelback_common.mongo import Document

from reelback_analytics.live import ACTIVE
from reelback_analytics.store import Tallies
from reelback_analytics.tally import Money, Play, minute_of, start_of

TOP_PLAYERS = 10


@dataclass(frozen=True, slots=True)
class Report:
    """From `start`, which is the beginning of a minute, to `end`. `players` are those who bet the most."""

    start: datetime
    end: datetime
    games: dict[str, Play]
    money: Money
    active_sessions: int
    players: list[tuple[str, Play]]


async def report(tallies: Tallies, window: timedelta, now: datetime) -> Report:
    """The `window` before `now`. Raises PyMongoError when the store does not answer.

    The fault analytics.report.n_plus_one makes it ask for one player after the other: the same answer, with two
    queries more for each player.
    """
    first = minute_of(now - window)
    matches: Sequence[Document] = [{"minute": {"$gte": first}}]
    if await faults.is_on("analytics.report.n_plus_one"):
        players = await tallies.players(first)
        matches = [{"player_id": player_id, "minute": {"$gte": first}} for player_id in players]
    games: dict[str, Play] = defaultdict(Play)
    by_player: dict[str, Play] = defaultdict(Play)
    money = Money()
    for match in matches:
        for group, play, _ in await tallies.groups(Play, ["player_id", "game"], match):
            games[group["game"]] += play
            by_player[group["player_id"]] += play
        for _, paid, _ in await tallies.groups(Money, [], match):
            money += paid
    return Report(
        start=start_of(first),
        end=now,
        games=dict(sorted(games.items())),
        money=money,
        active_sessions=len(await played_since(tallies, now - ACTIVE)),
        players=sorted(by_player.items(), key=lambda row: (-row[1].bet, row[0]))[:TOP_PLAYERS],
    )


async def played_since(tallies: Tallies, start: datetime) -> dict[str, datetime]:
    """Who has played since then, and when for the last time. Raises PyMongoError."""
    groups = await tallies.groups(Play, ["player_id"], {"minute": {"$gte": minute_of(start)}})
    return {group["player_id"]: last_at for group, _, last_at in groups if last_at >= start}
