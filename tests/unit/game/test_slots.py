"""The slot machine: exact return, fair reels, lines that pay what the table says."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from random import Random

import numpy as np
import pytest
from reelback_game.slots import CLASSIC, MAX_BET, ROWS, Invalid, Machine, Win, fair_rng

SMALL = Machine(
    strips=[
        ["bell", "plum", "bell", "star"],
        ["bell", "wild", "plum", "star", "bell"],
        ["plum", "bell", "wild", "star", "plum"],
    ],
    lines=[(1, 1, 1), (0, 1, 2), (2, 2, 0)],
    pays={"bell": {2: 1, 3: 4}, "plum": {3: 9}, "star": {2: 3, 3: 20}},
)


def test_the_exact_return_is_that_of_all_outcomes() -> None:
    bet = len(SMALL.lines)
    outcomes = [
        SMALL.outcome(stops, bet).win for stops in itertools.product(*(range(len(strip)) for strip in SMALL.strips))
    ]
    assert SMALL.theoretical_rtp() == Fraction(sum(outcomes), len(outcomes) * bet)


def test_the_machine_that_is_played_returns_about_95_percent() -> None:
    assert CLASSIC.theoretical_rtp() == Fraction(7_936_969, 8_388_608)
    assert 0.94 < CLASSIC.theoretical_rtp() < 0.97


def test_the_largest_win_is_one_that_payment_takes() -> None:
    line_bet = MAX_BET // len(CLASSIC.lines)
    largest = max(multiplier for pays in CLASSIC.pays.values() for multiplier in pays.values())
    assert len(CLASSIC.lines) * largest * line_bet <= 100_000_000


def test_rounds_that_were_played_return_what_was_computed() -> None:
    """300,000 rounds: reels stop as the machine stops them, wins are read off with numpy, for speed."""
    rounds = 300_000
    random = Random(20)
    stops = np.array([[random.randrange(32) for _ in CLASSIC.strips] for _ in range(rounds)])
    symbols = [*CLASSIC.pays, "wild"]
    strips = np.array([[symbols.index(symbol) for symbol in strip] for strip in CLASSIC.strips])
    pays = np.zeros((len(symbols), len(strips) + 1), dtype=np.int64)
    for symbol, multipliers in CLASSIC.pays.items():
        for count, multiplier in multipliers.items():
            pays[symbols.index(symbol), count] = multiplier
    wins = np.zeros(rounds, dtype=np.int64)
    for line in CLASSIC.lines:
        shown = np.stack([strips[reel][(stops[:, reel] + row) % 32] for reel, row in enumerate(line)], axis=1)
        matching = (shown == shown[:, :1]) | (shown == symbols.index("wild"))
        wins += pays[shown[:, 0], np.cumprod(matching, axis=1).sum(axis=1)]
    sample = random.sample(range(rounds), 500)
    assert [CLASSIC.outcome(stops[number].tolist(), len(CLASSIC.lines)).win for number in sample] == wins[
        sample
    ].tolist()

    returned = wins / len(CLASSIC.lines)
    error = returned.std() / math.sqrt(rounds)
    assert abs(returned.mean() - float(CLASSIC.theoretical_rtp())) < 3 * error
    assert 0.23 < (wins > 0).mean() < 0.25


def test_every_stop_of_every_reel_is_equally_likely() -> None:
    random = Random(21)
    rounds = 6_400
    windows = [CLASSIC.spin(10, random).window for _ in range(rounds)]
    for reel, strip in enumerate(CLASSIC.strips):
        # Three rows in a window are not always one stop: places that look alike are counted together.
        views = [tuple(strip[(stop + row) % 32] for row in range(ROWS)) for stop in range(32)]
        expected = {view: views.count(view) * rounds / 32 for view in views}
        seen = [tuple(window[row * 5 + reel] for row in range(ROWS)) for window in windows]
        chi_square = sum((seen.count(view) - mean) ** 2 / mean for view, mean in expected.items())
        freedom = len(expected) - 1
        assert chi_square < freedom + 3.1 * math.sqrt(2 * freedom) + 3, f"reel {reel}"


def test_a_seed_repeats_and_the_fair_source_does_not() -> None:
    first, second = ([CLASSIC.spin(10, Random(5)) for _ in range(3)] for _ in range(2))
    assert first == second
    assert len({CLASSIC.spin(10, fair_rng()).window for _ in range(20)}) > 15


@pytest.mark.parametrize(
    ("stops", "window", "wins"),
    [
        ((0, 0, 4), "bell bell plum plum wild plum bell plum bell", ((1, "plum", 3, 18), (2, "bell", 3, 8))),
        ((0, 4, 1), "bell bell bell plum bell wild bell wild star", ((2, "bell", 2, 2), (3, "bell", 3, 8))),
    ],
)
def test_lines_pay_what_the_table_says(
    stops: tuple[int, ...], window: str, wins: tuple[tuple[int, str, int, int], ...]
) -> None:
    outcome = SMALL.outcome(stops, 6)
    assert " ".join(outcome.window) == window
    assert outcome.wins == tuple(Win(*win) for win in wins)


@pytest.mark.parametrize("bet", [0, -10, 4, 12, MAX_BET + 5])
def test_bets_out_of_bounds_name_the_field(bet: int) -> None:
    with pytest.raises(Invalid, match=r"^bet: "):
        CLASSIC.spin(bet, fair_rng())


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"strips": [["wild"], ["bell"], ["bell"]]}, "first reel"),
        ({"lines": [(0, 0)]}, "each reel"),
        ({"lines": [(0, 0, 3)]}, "each reel"),
        ({"pays": {"bell": {3: 1}}}, "must be the same"),
    ],
)
def test_parts_that_do_not_fit_are_refused(change: dict[str, object], complaint: str) -> None:
    parts: dict[str, object] = {"strips": SMALL.strips, "lines": SMALL.lines, "pays": SMALL.pays, **change}
    with pytest.raises(ValueError, match=complaint):
        Machine(**parts)  # type: ignore[arg-type]
