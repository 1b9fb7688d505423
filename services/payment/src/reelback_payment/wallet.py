"""The rules of a wallet: what may move, and what a move leaves behind. No I/O.

Amounts are whole minor units (cents). A wallet counts its entries from 1 without gaps; that number is also the
version on which the store decides between concurrent moves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import assert_never

CURRENCY = "EUR"
# The largest amount of one move: a million in major units.
MAX_AMOUNT = 100_000_000
_IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Invalid(ValueError):
    """A field of a request is out of its bounds; the message begins with the field's name."""


class Insufficient(Exception):
    """The balance does not cover the move."""


class Conflict(Exception):
    """The request id was used before, for a different move."""


class Unknown(Exception):
    """No such request has moved money."""


class Kind(StrEnum):
    """What a move is for; it decides the direction."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    BET = "bet"
    WIN = "win"

    def signed(self, amount: int) -> int:
        """`amount` as it changes the balance."""
        match self:
            case Kind.DEPOSIT | Kind.WIN:
                return amount
            case Kind.WITHDRAWAL | Kind.BET:
                return -amount
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class Move:
    """A wish to move `amount` (> 0, minor units). Raises Invalid."""

    request_id: str
    player_id: str
    kind: Kind
    amount: int
    reference: str = ""

    def __post_init__(self) -> None:
        check_identifier("request_id", self.request_id)
        check_identifier("player_id", self.player_id)
        if not 0 < self.amount <= MAX_AMOUNT:
            raise Invalid(f"amount: must be from 1 to {MAX_AMOUNT} minor units, not {self.amount}")
        if self.reference:
            check_identifier("reference", self.reference)


@dataclass(frozen=True, slots=True)
class Entry:
    """A move that happened. `amount` is signed; `balance_after` >= 0; `created_at` is UTC, whole milliseconds."""

    request_id: str
    player_id: str
    kind: Kind
    amount: int
    balance_after: int
    sequence: int
    reference: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Wallet:
    """A player's money after `sequence` entries. `pending` are those not yet known to be in the ledger."""

    player_id: str
    balance: int = 0
    sequence: int = 0
    pending: tuple[Entry, ...] = ()


def check_identifier(field: str, value: str) -> None:
    """Raises Invalid, naming `field`, unless `value` is fit to be an identifier."""
    if not _IDENTIFIER.fullmatch(value):
        raise Invalid(f"{field}: must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -")


def decide(wallet: Wallet, move: Move, now: datetime) -> Entry:
    """The entry that `move` adds to `wallet`. Raises Insufficient."""
    amount = move.kind.signed(move.amount)
    balance = wallet.balance + amount
    if balance < 0:
        raise Insufficient(f"the balance of {wallet.balance} does not cover {move.amount}")
    return Entry(
        request_id=move.request_id,
        player_id=move.player_id,
        kind=move.kind,
        amount=amount,
        balance_after=balance,
        sequence=wallet.sequence + 1,
        reference=move.reference,
        created_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
    )


def confirm(entry: Entry, move: Move) -> Entry:
    """`entry` as the answer to `move`, sent again under the same request id. Raises Conflict when they differ."""
    if (entry.kind, entry.amount) != (move.kind, move.kind.signed(move.amount)):
        raise Conflict(
            f"request_id: {move.request_id} was used for a {entry.kind} of {abs(entry.amount)}, "
            f"it cannot be a {move.kind} of {move.amount}"
        )
    return entry
