"""What a player may deposit in a day, and bet at once. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta


class LimitExceeded(Exception):
    """The move is above a limit of the player."""


class BadLimits(ValueError):
    """A limit is not within the platform's; the message begins with the field's name."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Minor units: all deposits of one day, which begins at midnight UTC, and one bet."""

    deposit_per_day: int
    bet: int


DEFAULT = Limits(deposit_per_day=10_000_000, bet=10_000)
"""Of a player for whom nobody has set any."""

COOLING = timedelta(days=1)
"""Lower limits hold at once; higher ones after so long, for who has just lost wants them most."""

PLATFORM = Limits(deposit_per_day=100_000_000, bet=100_000)
"""The highest that may be set."""


@dataclass(frozen=True, slots=True)
class Raise:
    """Higher limits that a player has asked for, and when they begin to hold (UTC)."""

    limits: Limits
    at: datetime


@dataclass(frozen=True, slots=True)
class Held:
    """What a player is held to, and to what from some time on."""

    limits: Limits
    raised: Raise | None = None

    def now(self, now: datetime) -> Limits:
        """The limits that hold at a time."""
        return self.raised.limits if self.raised and now >= self.raised.at else self.limits


@dataclass(frozen=True, slots=True)
class Day:
    """What was deposited on a day (ISO 8601)."""

    date: str
    amount: int


UNSET = Held(DEFAULT)
NEVER = Day("", 0)

CLOCKS_APART = timedelta(days=1)
"""A day further ahead than this is not believed: it would hold until it comes."""


def check(limits: Limits) -> Limits:
    """`limits`, when they are within the platform's. Raises BadLimits."""
    for field in fields(Limits):
        value, highest = getattr(limits, field.name), getattr(PLATFORM, field.name)
        if not 0 < value <= highest:
            raise BadLimits(f"{field.name}: must be from 1 to {highest} minor units, not {value}")
    return limits


def wish(held: Held, wanted: Limits, now: datetime) -> Held:
    """What a player is held to who wants other limits."""
    current = held.now(now)
    lower = Limits(min(current.deposit_per_day, wanted.deposit_per_day), min(current.bet, wanted.bet))
    if lower == wanted:
        return Held(wanted)
    if held.raised and held.raised.limits == wanted:  # asking again does not begin the wait anew
        return Held(lower, held.raised)
    return Held(lower, Raise(wanted, now + COOLING))


def check_bet(limits: Limits, amount: int) -> None:
    """Raises LimitExceeded for a bet that is too high."""
    if amount > limits.bet:
        raise LimitExceeded(f"a bet of {amount} is above the player's limit of {limits.bet}")


def deposited(limits: Limits, before: Day, amount: int, now: datetime) -> Day:
    """The day's deposits with this one. Raises LimitExceeded."""
    today = now.astimezone(UTC).date()
    if before.date > (today + CLOCKS_APART).isoformat():  # a clock was wrong: its deposits count, its day does not
        before = Day(today.isoformat(), before.amount)
    # Servers' clocks differ: the day does not go back, or what was deposited on it would be forgotten.
    date = max(before.date, today.isoformat())
    total = amount + (before.amount if date == before.date else 0)
    limit = limits.deposit_per_day
    if total > limit:
        raise LimitExceeded(f"a deposit of {amount} would make {total} on {date}, above the player's limit of {limit}")
    return Day(date, total)
