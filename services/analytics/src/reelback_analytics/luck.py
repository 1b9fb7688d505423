"""How unlikely what a player has won is for an honest machine: a bound that holds whatever the payouts look like.

A slot machine's payouts are so skewed that after some hundred rounds their sum is nothing like a normal distribution:
one honest win may be a dozen standard errors away. What is known is the paytable: what a round returns on average,
its variance, and the most it can pay. Bennett's inequality needs no more than that.

Let a round with bet b return s more than it does on average, where s is at most c and v is the variance for a bet of 1.
For any tilt x > 0 the inequality says

    E exp(x s / c) <= exp(v b^2 (e^x - 1 - x) / c^2)

so the product over all rounds of what is inside the left side, divided by the right side, is expected to be at most 1
however long is played, and by Ville's inequality the chance that it *ever* reaches 1/a is at most a: it may be looked
at after every round. Which tilt sees a cheat best depends on how he cheats, so the evidence is the mean over several.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from reelback_analytics.tally import Play

TILTS = tuple(2 ** (step / 2) for step in range(-8, 7))
"""Small tilts see a little too much over many rounds, large ones see a few far too large wins."""

BET_LEVELS = 32
"""Bets are bounded by a power of two, of which there are so many; each has its share of the false alerts."""


@dataclass(frozen=True, slots=True)
class Machine:
    """What is known of a game. All is in units of a round's bet: what it returns on average, the variance of that,
    and the most that a round can return."""

    theoretical_rtp: float
    variance: float
    max_return: float


def deviation(play: Play, machine: Machine) -> float | None:
    """How far the return of these rounds is from the theoretical one, in standard errors of these bets."""
    error = math.sqrt(machine.variance * play.bet_squared)
    return (play.win - machine.theoretical_rtp * play.bet) / error if error else None


def evidence(play: Play, machine: Machine) -> float:
    """The natural logarithm of the evidence that these are too many winnings.

    The chance that an honest machine lets it ever reach log(1/a) is at most a, over all the rounds of one player from
    some fixed moment on.
    """
    if not play.rounds:
        return 0.0
    # Each power of two is a bound that was fixed before the first round; this is the least that no bet has exceeded.
    bet_bound = 1 << max(0, play.max_bet - 1).bit_length()
    most = machine.max_return * bet_bound
    surplus = (play.win - machine.theoretical_rtp * play.bet) / most
    spread = machine.variance * play.bet_squared / most**2
    exponents = [tilt * surplus - spread * (math.expm1(tilt) - tilt) for tilt in TILTS]
    largest = max(exponents)
    mean = sum(math.exp(exponent - largest) for exponent in exponents) / len(exponents)
    return largest + math.log(mean) - math.log(BET_LEVELS)
