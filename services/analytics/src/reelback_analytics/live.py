"""The figures of this moment, kept in memory. No I/O.

What is since the beginning is loaded once and counted on; what is recent is counted by the second of each event, so
that events which come late, after an outage of the broker say, are never taken for news.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from reelback_analytics.luck import Machine, deviation
from reelback_analytics.tally import Money, Play, Sums, Tally

ROLLING = timedelta(minutes=5)
ACTIVE = timedelta(minutes=5)
"""A player who played so recently has a session."""
SUCCESS_WINDOWS = {"10s": timedelta(seconds=10), "5m": timedelta(minutes=5)}

S = TypeVar("S", bound=Sums)


@dataclass(frozen=True, slots=True)
class GameFigures:
    """One game; None where there is nothing to divide by, or the paytable is not known."""

    total: Play
    rtp: float | None
    rolling_rtp: float | None
    deviation: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that is shown. `success` is by the name of its window, without those in which nothing was paid."""

    games: Mapping[str, GameFigures]
    active_sessions: int
    success: Mapping[str, float]


@dataclass
class Recent(Generic[S]):
    """Sums by second, for as long as they are recent."""

    keep: timedelta
    zero: S
    _seconds: dict[int, S] = field(default_factory=dict)

    def add(self, at: datetime, sums: S) -> None:
        """Count what happened at `at`."""
        second = int(at.timestamp())
        self._seconds[second] = self._seconds.get(second, self.zero) + sums

    def since(self, start: datetime) -> S:
        """What happened from `start` on."""
        return sum((sums for second, sums in self._seconds.items() if second >= start.timestamp()), self.zero)

    def forget(self, now: datetime) -> None:
        """Drop what is no longer recent."""
        oldest = (now - self.keep).timestamp()
        self._seconds = {second: sums for second, sums in self._seconds.items() if second >= oldest}


class Live:
    """Counts each event once, as it is told to."""

    def __init__(self) -> None:
        self._total: dict[str, Play] = {}
        self._play: dict[str, Recent[Play]] = {}
        self._money = Recent(max(SUCCESS_WINDOWS.values()), Money())
        self._played_at: dict[str, datetime] = {}

    def load(self, totals: Mapping[str, Play], played_at: Mapping[str, datetime]) -> None:
        """Begin with what was counted before: by game since the beginning, and when players played last."""
        self._total.update(totals)
        self._played_at.update(played_at)

    def count(self, tally: Tally) -> None:
        """One event more."""
        match tally.sums:
            case Play() as play:
                self._total[tally.game] = self._total.get(tally.game, Play()) + play
                self._play.setdefault(tally.game, Recent(ROLLING, Play())).add(tally.at, play)
                known = self._played_at.get(tally.player_id, tally.at)
                self._played_at[tally.player_id] = max(known, tally.at)
            case Money() as money:
                self._money.add(tally.at, money)

    def figures(self, machines: Mapping[str, Machine], now: datetime) -> Figures:
        """How things stand at `now`."""
        self._forget(now)
        return Figures(
            games={
                game: GameFigures(
                    total=total,
                    rtp=rtp(total),
                    rolling_rtp=rtp(self._play[game].since(now - ROLLING)) if game in self._play else None,
                    deviation=deviation(total, machines[game]) if game in machines else None,
                )
                for game, total in self._total.items()
            },
            active_sessions=len(self._played_at),
            success={
                name: rate
                for name, window in SUCCESS_WINDOWS.items()
                if (rate := success_rate(self._money.since(now - window))) is not None
            },
        )

    def _forget(self, now: datetime) -> None:
        recents: Iterable[Recent[Play] | Recent[Money]] = (self._money, *self._play.values())
        for recent in recents:
            recent.forget(now)
        self._played_at = {player: at for player, at in self._played_at.items() if at >= now - ACTIVE}


def rtp(play: Play) -> float | None:
    """The share of the bets that was paid back."""
    return play.win / play.bet if play.bet else None


def success_rate(money: Money) -> float | None:
    """Settled payments of all that came to an end, without those that were declined by a rule."""
    ended = money.settled + money.failed
    return money.settled / ended if ended else None
