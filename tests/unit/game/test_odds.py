"""What the machine pays back in the long run: computed, enumerated and played; and reels that stop fairly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from fractions import Fraction
from random import Random, SystemRandom
from typing import Any

import pytest
from reelback_game.odds import theoretical_rtp, variance
from reelback_game.slots import CLASSIC, ROWS, WILD, Machine, fair_rng

from bench.rtp import chi_square_tail, measure

ALPHA = 1e-6
"""A fair source fails no more often than once in a million runs of this test, over all reels together."""


def some_machine(random: Random) -> Machine:
    """A small machine: three or four short reels, lines that share places, pays from two in a row."""
    symbols = ["bell", "plum", "star"]
    reels = random.randint(3, 4)
    strips = [symbols + random.choices(symbols, k=random.randint(0, 2))]
    strips += [symbols + random.choices([*symbols, WILD], k=random.randint(1, 3)) for _ in range(reels - 1)]
    return Machine(
        name="some",
        strips=strips,
        lines=[[random.randrange(ROWS) for _ in strips] for _ in range(random.randint(1, 4))],
        pays={symbol: {count: random.randint(0, 20) for count in range(2, reels + 1)} for symbol in symbols},
    )


@pytest.mark.parametrize("seed", range(12))
def test_return_and_variance_are_those_of_all_outcomes(seed: int) -> None:
    machine = some_machine(Random(seed))
    bet = len(machine.lines)
    returns = [
        Fraction(machine.outcome(stops, bet).win, bet)
        for stops in itertools.product(*(range(len(strip)) for strip in machine.strips))
    ]
    mean = sum(returns) / len(returns)
    assert theoretical_rtp(machine) == mean
    assert variance(machine) == sum((paid - mean) ** 2 for paid in returns) / len(returns)


def test_the_machine_that_is_played_returns_about_95_percent() -> None:
    assert theoretical_rtp(CLASSIC) == Fraction(7_936_969, 8_388_608)
    assert 0.94 < theoretical_rtp(CLASSIC) < 0.97


def test_the_variance_of_the_machine_that_is_played_is_that_of_its_rounds() -> None:
    bet, rounds, random = len(CLASSIC.lines), 200_000, Random(22)
    rtp = float(theoretical_rtp(CLASSIC))
    squares = [(CLASSIC.spin(bet, random).win / bet - rtp) ** 2 for _ in range(rounds)]
    mean = sum(squares) / rounds
    error = math.sqrt(sum((square - mean) ** 2 for square in squares) / rounds / rounds)
    assert abs(mean - float(variance(CLASSIC))) < 3 * error


def test_a_million_rounds_return_what_was_computed() -> None:
    measured: Any = measure(Random(20), 1_000_000)
    assert measured["rounds"] == 1_000_000
    assert abs(measured["deviation"]) < 3
    assert measured["rtp"] == pytest.approx(measured["theoretical_rtp"], abs=0.01)


def fair(rng: Random) -> bool:
    """Whether the reels' stops pass a chi-square test: each reel at its share of ALPHA."""
    measured: Any = measure(rng, 200_000)
    assert [reel["freedom"] for reel in measured["reels"]] == [31] * 5
    return all(reel["p"] >= ALPHA / 5 for reel in measured["reels"])


def test_every_stop_of_every_reel_is_equally_likely() -> None:
    assert fair(fair_rng())


class Sticky(SystemRandom):
    """Stops at the first place a little more often: one time in a hundred it does not even look."""

    def randrange(self, *bounds: Any) -> int:
        return 0 if self.random() < 0.01 else super().randrange(*bounds)


class Careless(SystemRandom):
    """The classic mistake: a remainder, which favours the lower places."""

    def randrange(self, *bounds: Any) -> int:
        return int(self.getrandbits(8)) % 33 % int(bounds[0])


@pytest.mark.parametrize("biased", [Sticky, Careless])
def test_a_biased_source_is_found_out(biased: Callable[[], Random]) -> None:
    assert not fair(biased())


@pytest.mark.parametrize(
    ("value", "freedom", "tail"),
    [(3.841459, 1, 0.05), (5.991465, 2, 0.05), (44.98534, 31, 0.05), (61.0983, 31, 0.001), (0.0, 31, 1.0)],
)
def test_the_chi_square_distribution_is_that_of_the_tables(value: float, freedom: int, tail: float) -> None:
    assert chi_square_tail(value, freedom) == pytest.approx(tail, rel=1e-5)
