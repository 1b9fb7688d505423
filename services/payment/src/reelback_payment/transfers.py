"""Deposits and withdrawals: how far they have come, and what may be decided on them. No I/O.

A transfer's state is read from the ledger: from its own entry, and from that of the one decision there can be on it.
A deposit is settled from the start and may be reversed; a withdrawal has taken the money out of the wallet and waits
until it is settled or rejected.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reelback_payment.wallet import Entry, Kind, Move, decision_id


class State(StrEnum):
    """How far a transfer has come."""

    PENDING = "pending"
    SETTLED = "settled"
    REJECTED = "rejected"
    REVERSED = "reversed"


class WrongState(Exception):
    """The transfer's state does not allow the decision."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A deposit or a withdrawal, and the entry of the decision on it."""

    entry: Entry
    decision: Entry | None

    @property
    def state(self) -> State:
        """Where it is now."""
        if self.decision is None:
            return State.SETTLED if self.entry.kind is Kind.DEPOSIT else State.PENDING
        if self.decision.kind is Kind.SETTLEMENT:
            return State.SETTLED
        return State.REVERSED if self.entry.kind is Kind.DEPOSIT else State.REJECTED


# (what is transferred, what it shall become): the entry that makes it so
_DECISIONS = {
    (Kind.WITHDRAWAL, State.SETTLED): Kind.SETTLEMENT,
    (Kind.WITHDRAWAL, State.REJECTED): Kind.REVERSAL,
    (Kind.DEPOSIT, State.REVERSED): Kind.REVERSAL,
}


def decision(transfer: Transfer, wanted: State, by: str) -> Move | None:
    """The move by which `by` makes the transfer `wanted`; None when this was decided before. Raises WrongState."""
    kind = _DECISIONS.get((transfer.entry.kind, wanted))
    if kind is None or (transfer.decision and transfer.decision.kind is not kind):
        raise WrongState(f"this {transfer.entry.kind} is {transfer.state}, it cannot become {wanted}")
    if transfer.decision:
        return None
    entry = transfer.entry
    amount = -entry.amount if kind is Kind.REVERSAL else 0
    return Move(decision_id(entry.request_id), entry.player_id, kind, amount, entry.request_id, by)
