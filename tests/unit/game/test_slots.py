"""The slot machine: lines that pay what the table says."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from reelback_game.slots import CLASSIC, MAX_BET, Invalid, Machine, Win, fair_rng

SMALL = Machine(
    name="small",
    strips=[
        ["bell", "plum", "bell", "star"],
        ["bell", "wild", "plum", "star", "bell"],
        ["plum", "bell", "wild", "star", "plum"],
    ],
    lines=[(1, 1, 1), (0, 1, 2), (2, 2, 0)],
    pays={"bell": {2: 1, 3: 4}, "plum": {3: 9}, "star": {2: 3, 3: 20}},
)


def test_the_largest_win_is_one_that_payment_takes() -> None:
    line_bet = MAX_BET // len(CLASSIC.lines)
    largest = max(multiplier for pays in CLASSIC.pays.values() for multiplier in pays.values())
    assert len(CLASSIC.lines) * largest * line_bet <= 100_000_000


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
def test_parts_that_do_not_fit_are_refused(change: dict[str, Any], complaint: str) -> None:
    parts: dict[str, object] = {
        "name": "small",
        "strips": SMALL.strips,
        "lines": SMALL.lines,
        "pays": SMALL.pays,
        **change,
    }
    with pytest.raises(ValueError, match=complaint):
        Machine(**parts)  # type: ignore[arg-type]
