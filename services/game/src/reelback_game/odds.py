"""What a machine pays back in the long run and how far single rounds stray from it, computed exactly. No I/O.

Reels stop independently, so both follow from going along a line reel by reel and counting the stops of each reel.
Lines lie on the same reels and win together more or less often than by chance: the variance counts every pair.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations_with_replacement
from typing import NamedTuple

from reelback_game.slots import Machine, goes_on


class _Run(NamedTuple):
    """What a line has shown on the reels so far."""

    symbol: str | None = None
    length: int = 0
    ended: bool = False

    def then(self, shown: str) -> _Run:
        """After one more reel."""
        if self.symbol is None:
            return _Run(shown, 1)
        if self.ended or not goes_on(self.symbol, shown):
            return self._replace(ended=True)
        return self._replace(length=self.length + 1)


def theoretical_rtp(machine: Machine) -> Fraction:
    """The share of all bets that is paid back. A bet is spread evenly over the lines."""
    return sum((_expected(machine, [line]) for line in machine.lines), Fraction(0)) / len(machine.lines)


def variance(machine: Machine) -> Fraction:
    """The variance of what one round pays back of one unit of its whole bet."""
    square = Fraction(0)
    for one, other in combinations_with_replacement(machine.lines, 2):
        square += _expected(machine, [one, other]) * (1 if one is other else 2)
    return square / len(machine.lines) ** 2 - theoretical_rtp(machine) ** 2


def _expected(machine: Machine, lines: Sequence[Sequence[int]]) -> Fraction:
    """The mean of the product of what these lines pay, each as a multiple of the bet on it."""
    ways = Counter({(_Run(),) * len(lines): 1})
    for reel, strip in enumerate(machine.strips):
        rows = [line[reel] for line in lines]
        views = Counter(tuple(strip[(stop + row) % len(strip)] for row in rows) for stop in range(len(strip)))
        longer: Counter[tuple[_Run, ...]] = Counter()
        for runs, number in ways.items():
            for view, stops in views.items():
                after = tuple(run.then(shown) for run, shown in zip(runs, view, strict=True))
                if all(_multiplier(machine, run) for run in after if run.ended):  # else the product is 0
                    longer[after] += number * stops
        ways = longer
    total = sum(number * math.prod(_multiplier(machine, run) for run in runs) for runs, number in ways.items())
    return Fraction(total, math.prod(len(strip) for strip in machine.strips))


def _multiplier(machine: Machine, run: _Run) -> int:
    return machine.pays[run.symbol].get(run.length, 0) if run.symbol else 0
