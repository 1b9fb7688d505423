"""The rules about speed and about money that passes through, at their limits."""

from __future__ import annotations

import pytest
from reelback_analytics.rules import (
    LAUNDERED_AMOUNT,
    MAX_DEPOSITS,
    MAX_ROUNDS_PER_MINUTE,
    deposit_and_withdraw,
    fast_deposits,
    fast_play,
)
from reelback_analytics.tally import Money, Play


def test_more_rounds_in_a_minute_than_a_person_can_play() -> None:
    limit = MAX_ROUNDS_PER_MINUTE
    assert fast_play({minute: Play(rounds=limit) for minute in range(60)}) is None
    finding = fast_play({1: Play(rounds=3), 2: Play(rounds=limit + 1)})
    assert finding is not None
    assert finding.detail == f"{limit + 1} rounds in one minute, more than {limit}"


@pytest.mark.parametrize(
    ("minutes", "found"),
    [
        ({1: MAX_DEPOSITS}, False),
        ({1: MAX_DEPOSITS + 1}, True),
        ({1: MAX_DEPOSITS, 10: 1}, True),
        ({1: MAX_DEPOSITS, 11: MAX_DEPOSITS}, False),
        ({1: 1, 9: 5, 11: 4, 14: 2}, True),
        (dict.fromkeys(range(1440), 1), False),
        ({}, False),
    ],
)
def test_too_many_deposits_in_ten_minutes(minutes: dict[int, int], found: bool) -> None:
    finding = fast_deposits({minute: Money(deposits=count) for minute, count in minutes.items()})
    assert (finding is not None) == found


LARGE = LAUNDERED_AMOUNT


@pytest.mark.parametrize(
    ("deposited", "withdrawn", "wagered", "found"),
    [
        (LARGE, LARGE, 0, True),
        (LARGE, LARGE * 8 // 10, LARGE // 10, True),
        (LARGE, LARGE * 8 // 10 - 1, 0, False),
        (LARGE, LARGE, LARGE // 10 + 1, False),
        (LARGE - 1, LARGE - 1, 0, False),
        (0, LARGE, 0, False),  # winnings of another day
    ],
)
def test_money_that_only_passes_through(deposited: int, withdrawn: int, wagered: int, found: bool) -> None:
    minutes = {1: Money(deposited=deposited, wagered=wagered), 700: Money(withdrawn=withdrawn)}
    assert (deposit_and_withdraw(minutes) is not None) == found


def test_a_withdrawal_that_was_rejected_took_nothing_out() -> None:
    minutes = {1: Money(deposited=LARGE), 2: Money(withdrawn=LARGE), 3: Money(withdrawn=-LARGE)}
    assert deposit_and_withdraw(minutes) is None
