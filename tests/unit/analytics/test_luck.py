"""The bound on luck, against the payouts of the machine that is played, and against the worst payouts there can be."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from reelback_analytics import luck
from reelback_analytics.luck import Machine, deviation, evidence
from reelback_analytics.rules import FALSE_ALERT, impossible_luck
from reelback_analytics.tally import Play
from reelback_game.odds import theoretical_rtp, variance
from reelback_game.slots import CLASSIC, WILD

Returns = NDArray[np.float64]

MACHINE = Machine(
    theoretical_rtp=float(theoretical_rtp(CLASSIC)),
    variance=float(variance(CLASSIC)),
    max_return=float(max(multiplier for pays in CLASSIC.pays.values() for multiplier in pays.values())),
)
LIMIT = -math.log(FALSE_ALERT)
BET = 25


def spins(rng: np.random.Generator, count: int) -> Returns:
    """What so many rounds of CLASSIC return of one unit each: the reels stop anywhere, and each line is read."""
    symbols = sorted(CLASSIC.pays)
    numbers = {symbol: number for number, symbol in enumerate(symbols)} | {WILD: -1}
    multipliers = np.array([[CLASSIC.pays[symbol].get(run, 0) for run in range(6)] for symbol in symbols])
    reels = [np.array([numbers[symbol] for symbol in strip]) for strip in CLASSIC.strips]
    stops = [rng.integers(len(reel), size=count) for reel in reels]
    total = np.zeros(count)
    for line in CLASSIC.lines:
        shown = [reel[(stop + row) % len(reel)] for reel, stop, row in zip(reels, stops, line, strict=True)]
        lasts, run = np.ones(count, bool), np.zeros(count, int)
        for symbol in shown:
            lasts &= (symbol == shown[0]) | (symbol == -1)
            run += lasts
        total += multipliers[shown[0], run]
    return total / len(CLASSIC.lines)


def total(returns: Returns, bet: int = BET) -> Play:
    count = len(returns)
    win = round(float(returns.sum()) * bet)
    return Play(rounds=count, bet=count * bet, win=win, bet_squared=float(count * bet * bet), max_bet=bet)


def highest(returns: Returns, machine: Machine, step: int) -> float:
    """The most evidence that was ever seen while these rounds were played."""
    return max(evidence(total(returns[:count]), machine) for count in range(1, len(returns) + 1, step))


def test_this_simulation_plays_the_machine() -> None:
    """Within five standard errors, of which the variance has large ones."""
    returns = spins(np.random.default_rng(7), 1_000_000)
    assert abs(deviation(total(returns), MACHINE) or 9) < 5
    assert returns.var() == pytest.approx(MACHINE.variance, rel=0.1)


def test_honest_players_are_not_flagged_though_a_normal_bound_would_flag_some() -> None:
    players = spins(np.random.default_rng(1), 4_000 * 400).reshape(4_000, 400)
    assert max(highest(player, MACHINE, step=20) for player in players) < LIMIT / 2
    # The normal distribution says one in a billion beyond six standard errors; this many rounds have them everywhere.
    after_forty = [deviation(total(player[:40]), MACHINE) or 0 for player in players]
    assert sum(far > 6 for far in after_forty) > 4


@pytest.mark.parametrize("tilt", luck.TILTS)
@pytest.mark.parametrize("most", [2.0, 10.0, 1000.0])
def test_an_honest_round_is_expected_to_give_no_evidence(
    most: float, tilt: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What Ville's inequality asks for, exactly; all or nothing is the most skewed that a machine can pay."""
    monkeypatch.setattr(luck, "TILTS", (tilt,))
    monkeypatch.setattr(luck, "BET_LEVELS", 1)
    chance = 0.9 / most
    machine = Machine(0.9, chance * most**2 - 0.9**2, most)
    won, lost = (evidence(total(np.array([returned]), bet=64), machine) for returned in (most, 0.0))
    expected = chance * math.exp(won) + (1 - chance) * math.exp(lost)
    assert expected <= 1
    if tilt < 0.1:  # and it gives away little
        assert expected > 0.99
    both = evidence(total(np.array([most, 0.0]), bet=64), machine)
    assert both == pytest.approx(won + lost)


def best_of(times: int) -> Callable[[np.random.Generator, int], Returns]:
    """A player who foresees so many spins and bets on the best."""
    return lambda rng, count: spins(rng, count * times).reshape(count, times).max(axis=1)


@pytest.mark.parametrize(
    ("cheat", "rounds"),
    [(best_of(30), 1_000), (best_of(300), 150), (lambda rng, count: spins(rng, count) * 0 + 200, 40)],
)
def test_cheats_are_found(cheat: Callable[[np.random.Generator, int], Returns], rounds: int) -> None:
    play = total(cheat(np.random.default_rng(3), rounds))
    finding = impossible_luck({1: play}, MACHINE)
    assert finding is not None
    assert finding.rule == "impossible_luck"
    assert f"{play.win} won with {play.bet} in {rounds} rounds" in finding.detail


def test_one_jackpot_is_luck_and_so_are_small_bets_before_a_large_one() -> None:
    assert impossible_luck({1: total(np.array([1000.0]))}, MACHINE) is None
    changing = total(np.zeros(300), bet=5) + total(np.array([1000.0]), bet=10_000)
    assert impossible_luck({1: changing}, MACHINE) is None


def test_without_rounds_there_is_nothing_to_say() -> None:
    assert evidence(Play(), MACHINE) == 0
    assert deviation(Play(), MACHINE) is None
    assert impossible_luck({}, MACHINE) is None


def test_the_deviation_is_in_standard_errors_of_the_bets() -> None:
    play = total(np.zeros(3), bet=10) + total(np.array([4.0]), bet=50)
    error = math.sqrt(MACHINE.variance * (3 * 100 + 2500))
    assert deviation(play, MACHINE) == pytest.approx((200 - MACHINE.theoretical_rtp * 80) / error)
