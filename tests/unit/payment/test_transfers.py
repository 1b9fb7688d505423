"""What may be decided on deposits and withdrawals."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from reelback_payment.transfers import State, Transfer, WrongState, decision
from reelback_payment.wallet import Entry, Kind, Move, decision_id

NOW = datetime(2026, 1, 2, tzinfo=UTC)
WITHDRAWAL = Entry("r", "p", Kind.WITHDRAWAL, -50, 0, 2, "", NOW)
DEPOSIT = Entry("r", "p", Kind.DEPOSIT, 50, 50, 1, "", NOW)


def decided(entry: Entry, kind: Kind) -> Transfer:
    amount = -entry.amount if kind is Kind.REVERSAL else 0
    return Transfer(entry, Entry("r/decision", "p", kind, amount, 0, 3, "r", NOW))


@pytest.mark.parametrize(
    ("transfer", "state"),
    [
        (Transfer(DEPOSIT, None), State.SETTLED),
        (decided(DEPOSIT, Kind.REVERSAL), State.REVERSED),
        (Transfer(WITHDRAWAL, None), State.PENDING),
        (decided(WITHDRAWAL, Kind.SETTLEMENT), State.SETTLED),
        (decided(WITHDRAWAL, Kind.REVERSAL), State.REJECTED),
    ],
)
def test_entries_say_the_state(transfer: Transfer, state: State) -> None:
    assert transfer.state is state


@pytest.mark.parametrize(
    ("entry", "wanted", "kind", "amount"),
    [
        (WITHDRAWAL, State.SETTLED, Kind.SETTLEMENT, 0),
        (WITHDRAWAL, State.REJECTED, Kind.REVERSAL, 50),
        (DEPOSIT, State.REVERSED, Kind.REVERSAL, -50),
    ],
)
def test_a_decision_is_a_move_once(entry: Entry, wanted: State, kind: Kind, amount: int) -> None:
    assert decision(Transfer(entry, None), wanted, "s") == Move(decision_id("r"), "p", kind, amount, "r", "s")
    assert decided(entry, kind).state is wanted
    assert decision(decided(entry, kind), wanted, "s") is None


@pytest.mark.parametrize(
    ("transfer", "wanted"),
    [
        (Transfer(DEPOSIT, None), State.SETTLED),
        (Transfer(DEPOSIT, None), State.REJECTED),
        (decided(DEPOSIT, Kind.REVERSAL), State.SETTLED),
        (Transfer(WITHDRAWAL, None), State.REVERSED),
        (decided(WITHDRAWAL, Kind.SETTLEMENT), State.REJECTED),
        (decided(WITHDRAWAL, Kind.SETTLEMENT), State.REVERSED),
        (decided(WITHDRAWAL, Kind.REVERSAL), State.SETTLED),
    ],
)
def test_what_the_state_does_not_allow(transfer: Transfer, wanted: State) -> None:
    with pytest.raises(WrongState, match=f"is {transfer.state}, it cannot become {wanted}"):
        decision(transfer, wanted, "s")
