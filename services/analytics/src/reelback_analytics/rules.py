"""The fraud rules: what a player did today, minute by minute, and whether a person shall look at it. No I/O.

A rule may be asked after every event. Everything is counted within a day (UTC), and a rule is raised at most once a
player and day: somebody who looks at the player sees all of the day anyway.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from reelback.v1.events_pb2 import AlertRaised

from reelback_analytics.luck import Machine, evidence
from reelback_analytics.tally import Money, Play

MAX_ROUNDS_PER_MINUTE = 120
"""Two a second, a whole minute long. The reels turn longer than that: no person plays so fast, a program does."""

MAX_DEPOSITS = 10
DEPOSIT_MINUTES = 10
"""More than ten deposits in ten minutes is how stolen cards are tried out; who plays, deposits once and plays."""

LAUNDERED_AMOUNT = 10_000
"""Minor units. Below, laundering is not worth its effort, and a player who changed his mind is none of our business."""
WITHDRAWN_SHARE = 0.8
WAGERED_SHARE = 0.1
"""Somebody who takes four fifths of his deposits out again and has bet less than a tenth of them came for the receipt
and not for the game."""

FALSE_ALERT = 1e-9
"""The chance of an honest player to be flagged for his luck on one day: a million players who play on each of a
thousand days raise one false alert together, at most."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule has found; `detail` is one line with the figures and the limit."""

    rule: str
    severity: AlertRaised.Severity
    detail: str


def fast_play(minutes: Mapping[int, Play]) -> Finding | None:
    """Velocity of rounds: a program plays, which the terms forbid, and which finds a flaw of the machine first."""
    rounds = max((play.rounds for play in minutes.values()), default=0)
    if rounds <= MAX_ROUNDS_PER_MINUTE:
        return None
    return Finding("velocity", AlertRaised.WARNING, f"{rounds} rounds in one minute, more than {MAX_ROUNDS_PER_MINUTE}")


def fast_deposits(minutes: Mapping[int, Money]) -> Finding | None:
    """Velocity of deposits: cards are tried out."""
    made = {minute: money.deposits for minute, money in minutes.items() if money.deposits}
    most = max((sum(made.get(first + later, 0) for later in range(DEPOSIT_MINUTES)) for first in made), default=0)
    if most <= MAX_DEPOSITS:
        return None
    return Finding(
        "velocity",
        AlertRaised.WARNING,
        f"{most} deposits within {DEPOSIT_MINUTES} minutes, more than {MAX_DEPOSITS}",
    )


def deposit_and_withdraw(minutes: Mapping[int, Money]) -> Finding | None:
    """Money only passes through: laundering. Bets are counted as payments, which come in order with the withdrawal."""
    day = sum(minutes.values(), Money())
    if (
        day.deposited < LAUNDERED_AMOUNT
        or day.withdrawn < WITHDRAWN_SHARE * day.deposited
        or day.wagered > WAGERED_SHARE * day.deposited
    ):
        return None
    return Finding(
        "deposit_and_withdraw",
        AlertRaised.WARNING,
        f"{day.withdrawn} withdrawn of {day.deposited} deposited, and {day.wagered} bet, "
        f"less than {WAGERED_SHARE:.0%} of it",
    )


def impossible_luck(minutes: Mapping[int, Play], machine: Machine) -> Finding | None:
    """Winnings beyond what the machine gives anyone: somebody knows what it will show, or it is broken."""
    day = sum(minutes.values(), Play())
    found = evidence(day, machine)
    if found < -math.log(FALSE_ALERT):
        return None
    return Finding(
        "impossible_luck",
        AlertRaised.CRITICAL,
        f"{day.win} won with {day.bet} in {day.rounds} rounds: an honest machine gives that to fewer than "
        f"1 in {1 / FALSE_ALERT:.0e} players",
    )
