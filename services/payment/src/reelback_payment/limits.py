"""What a player may deposit in a day, and bet at once. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime


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

PLATFORM = Limits(deposit_per_day=100_000_000, bet=100_000)
"""The highest that may be set."""


@dataclass(frozen=True, slots=True)
class Day:
    """What was deposited on a day (ISO 8601)."""

    date: str
    amount: int


NEVER = Day("", 0)


def check(limits: Limits) -> Limits:
    """`limits`, when they are within the platform's. Raises BadLimits."""
    for field in fields(Limits):
        value, highest = getattr(limits, field.name), getattr(PLATFORM, field.name)
        if not 0 < value <= highest:
            raise BadLimits(f"{field.name}: must be from 1 to {highest} minor units, not {value}")
    return limits


def check_bet(limits: Limits | None, amount: int) -> None:
    """Raises LimitExceeded for a bet that is too high."""
    limit = (limits or DEFAULT).bet
    if amount > limit:
        raise LimitExceeded(f"a bet of {amount} is above the player's limit of {limit}")


def deposited(limits: Limits | None, before: Day, amount: int, now: datetime) -> Day:
    """The day's deposits with this one. Raises LimitExceeded."""
    # Servers' clocks differ: the day does not go back, or what was deposited on it would be forgotten.
    date = max(before.date, now.astimezone(UTC).date().isoformat())
    total = amount + (before.amount if date == before.date else 0)
    limit = (limits or DEFAULT).deposit_per_day
    if total > limit:
        raise LimitExceeded(f"a deposit of {amount} would make {total} on {date}, above the player's limit of {limit}")
    return Day(date, total)
