"""The rules of a wallet."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from reelback_payment.limits import (
    COOLING,
    DEFAULT,
    NEVER,
    PLATFORM,
    UNSET,
    BadLimits,
    Day,
    Held,
    LimitExceeded,
    Limits,
    check,
    wish,
)
from reelback_payment.wallet import (
    INSTANT_WITHDRAWAL,
    Change,
    Conflict,
    Entry,
    Insufficient,
    Invalid,
    Kind,
    Move,
    Wallet,
    asked,
    check_identifier,
    confirm,
    decide,
    decision_id,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC)
RICH = Wallet("p", balance=1_000_000, sequence=4)


def move(**changes: Any) -> Move:
    return asked(**{"request_id": "r", "player_id": "p", "kind": Kind.BET, "amount": 30, "reference": "", **changes})


def after(wallet: Wallet, wanted: Move, now: datetime = NOW) -> Change:
    return decide(wallet, wanted, now, {})


@pytest.mark.parametrize(
    ("kind", "signed"), [(Kind.DEPOSIT, 30), (Kind.WITHDRAWAL, -30), (Kind.BET, -30), (Kind.WIN, 30)]
)
def test_a_kind_has_a_direction(kind: Kind, signed: int) -> None:
    entry = after(Wallet("p", balance=100, sequence=4), move(kind=kind, reference="round")).entries[0]
    assert entry == Entry("r", "p", kind, signed, 100 + signed, 5, "round", NOW.replace(microsecond=678_000))


def test_the_whole_balance_may_be_spent_and_not_a_cent_more() -> None:
    assert after(Wallet("p", balance=30, sequence=1), move()).entries[0].balance_after == 0
    with pytest.raises(Insufficient, match="29"):
        after(Wallet("p", balance=29, sequence=1), move())


def test_a_small_withdrawal_is_settled_with_it() -> None:
    first, second = after(RICH, move(kind=Kind.WITHDRAWAL, amount=INSTANT_WITHDRAWAL)).entries
    assert (second.kind, second.amount, second.reference) == (Kind.SETTLEMENT, 0, "r")
    assert (second.sequence, second.balance_after) == (first.sequence + 1, first.balance_after)
    assert len(after(RICH, move(kind=Kind.WITHDRAWAL, amount=INSTANT_WITHDRAWAL + 1)).entries) == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": 100_000_001}, "amount"),
        ({"request_id": ""}, "request_id"),
        ({"request_id": "a/b"}, "request_id"),
        ({"request_id": "r" * 129}, "request_id"),
        ({"player_id": "a b"}, "player_id"),
        ({"reference": "\n"}, "reference"),
    ],
)
def test_what_is_out_of_bounds_is_named(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid, match=f"^{field}: "):
        move(**changes)


def test_nobody_can_ask_for_a_move_under_the_id_of_a_decision() -> None:
    with pytest.raises(Invalid):
        check_identifier("request_id", decision_id("r"))


@pytest.mark.parametrize("changes", [{"amount": 31}, {"kind": Kind.WITHDRAWAL}])
def test_a_request_id_stands_for_one_move(changes: dict[str, Any]) -> None:
    entry = after(Wallet("p", balance=100, sequence=1), move()).entries[0]
    assert confirm(entry, move()) is entry
    with pytest.raises(Conflict, match="was used for a bet of 30"):
        confirm(entry, move(**changes))


def test_a_bet_up_to_the_limit() -> None:
    assert after(RICH, move(amount=DEFAULT.bet))
    with pytest.raises(LimitExceeded, match=f"{DEFAULT.bet + 1} is above .* {DEFAULT.bet}"):
        after(RICH, move(amount=DEFAULT.bet + 1))
    lower = replace(RICH, limits=Held(Limits(1, 20)))
    assert after(lower, move(amount=20))
    with pytest.raises(LimitExceeded):
        after(lower, move(amount=21))
    assert after(lower, move(kind=Kind.WIN, amount=1000))


def test_deposits_of_a_day_up_to_the_limit() -> None:
    wallet = replace(RICH, limits=Held(Limits(deposit_per_day=100, bet=1)))
    first = after(wallet, move(kind=Kind.DEPOSIT, amount=60)).deposits
    assert first == Day("2026-01-02", 60)
    wallet = replace(wallet, deposits=first)
    assert after(wallet, move(kind=Kind.DEPOSIT, amount=40)).deposits.amount == 100
    with pytest.raises(LimitExceeded, match="would make 101 on 2026-01-02"):
        after(wallet, move(kind=Kind.DEPOSIT, amount=41))
    assert after(wallet, move(kind=Kind.WIN, amount=41)).deposits == first


def test_a_day_begins_at_midnight_utc_and_does_not_come_back() -> None:
    wallet = replace(RICH, limits=Held(Limits(100, 1)), deposits=Day("2026-01-02", 100))
    deposit = move(kind=Kind.DEPOSIT, amount=100)
    midnight = datetime(2026, 1, 3, tzinfo=UTC)
    assert after(wallet, deposit, midnight).deposits == Day("2026-01-03", 100)
    for now in (midnight - timedelta(milliseconds=1), midnight - timedelta(days=1)):
        with pytest.raises(LimitExceeded):
            after(wallet, deposit, now)


def test_a_clock_that_was_far_ahead_closes_deposits_for_a_day_at_most() -> None:
    wallet = replace(RICH, limits=Held(Limits(100, 1)), deposits=Day("2099-05-05", 60))
    today = datetime(2026, 1, 3, 12, tzinfo=UTC)
    counted = after(wallet, move(kind=Kind.DEPOSIT, amount=40), today).deposits
    assert counted == Day("2026-01-03", 100), "what was deposited then counts"
    with pytest.raises(LimitExceeded):
        after(wallet, move(kind=Kind.DEPOSIT, amount=41), today)
    wallet = replace(wallet, deposits=counted)
    assert after(wallet, move(kind=Kind.DEPOSIT, amount=100), today + timedelta(days=1)).deposits.amount == 100


def test_lower_limits_hold_at_once_and_higher_ones_after_a_day() -> None:
    lower = wish(UNSET, Limits(1000, 20), NOW)
    assert lower == Held(Limits(1000, 20))
    mixed = wish(lower, Limits(2000, 10), NOW)
    assert mixed.now(NOW) == Limits(1000, 10)
    assert mixed.now(NOW + COOLING - timedelta(milliseconds=1)) == Limits(1000, 10)
    assert mixed.now(NOW + COOLING) == Limits(2000, 10)
    bet = replace(RICH, limits=mixed)
    with pytest.raises(LimitExceeded):
        after(bet, move(kind=Kind.DEPOSIT, amount=1500), NOW)
    assert after(bet, move(kind=Kind.DEPOSIT, amount=1500), NOW + COOLING)


def test_asking_for_higher_limits_again_does_not_begin_the_day_anew_and_thinking_better_of_it_does() -> None:
    later = NOW + timedelta(hours=23)
    asked = wish(Held(Limits(10, 10)), Limits(20, 10), NOW)
    assert wish(asked, Limits(20, 10), later) == asked
    withdrawn = wish(asked, Limits(10, 10), later)
    assert withdrawn == Held(Limits(10, 10))
    assert wish(withdrawn, Limits(20, 10), later).now(NOW + COOLING) == Limits(10, 10)


def test_limits_are_the_platforms_at_most() -> None:
    assert check(PLATFORM) == PLATFORM
    assert check(DEFAULT) == DEFAULT
    assert Wallet("p").deposits == NEVER
    for name in ("deposit_per_day", "bet"):
        for value in (0, -1, getattr(PLATFORM, name) + 1):
            with pytest.raises(BadLimits, match=f"^{name}: "):
                check(replace(PLATFORM, **{name: value}))
