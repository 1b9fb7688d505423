"""The rules of a wallet."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from reelback_payment.wallet import Conflict, Entry, Insufficient, Invalid, Kind, Move, Wallet, confirm, decide

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_901, UTC)


def move(**changes: Any) -> Move:
    return Move(**{"request_id": "r", "player_id": "p", "kind": Kind.BET, "amount": 30, **changes})


@pytest.mark.parametrize(
    ("kind", "signed"), [(Kind.DEPOSIT, 30), (Kind.WITHDRAWAL, -30), (Kind.BET, -30), (Kind.WIN, 30)]
)
def test_a_kind_has_a_direction(kind: Kind, signed: int) -> None:
    entry = decide(Wallet("p", balance=100, sequence=4), move(kind=kind, reference="round"), NOW)
    assert entry == Entry("r", "p", kind, signed, 100 + signed, 5, "round", NOW.replace(microsecond=678_000))


def test_the_whole_balance_may_be_spent_and_not_a_cent_more() -> None:
    assert decide(Wallet("p", balance=30, sequence=1), move(), NOW).balance_after == 0
    with pytest.raises(Insufficient, match="29"):
        decide(Wallet("p", balance=29, sequence=1), move(), NOW)


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


@pytest.mark.parametrize("changes", [{"amount": 31}, {"kind": Kind.WITHDRAWAL}])
def test_a_request_id_stands_for_one_move(changes: dict[str, Any]) -> None:
    entry = decide(Wallet("p", balance=100, sequence=1), move(), NOW)
    assert confirm(entry, move()) is entry
    with pytest.raises(Conflict, match="was used for a bet of 30"):
        confirm(entry, move(**changes))
