"""The rules of a wallet: what may move, and what a move leaves behind. No I/O.

Amounts are whole minor units (cents). A wallet counts its entries from 1 without gaps; that number is also the
version on which the store decides between concurrent moves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from reelback_payment.limits import NEVER, UNSET, Day, Held, check_bet, deposited

CURRENCY = "EUR"
# The largest amount of one move: a million in major units.
MAX_AMOUNT = 100_000_000
INSTANT_WITHDRAWAL = 100_000
"""A withdrawal of at most this much is settled at once; a larger one waits for somebody's decision."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Invalid(ValueError):
    """A field of a request is out of its bounds; the message begins with the field's name."""


class Insufficient(Exception):
    """The balance does not cover the move."""


class Conflict(Exception):
    """The request id was used before, for a different move."""


class Unknown(Exception):
    """No such request has moved money, or there is no such player."""


class Kind(StrEnum):
    """What a move is for; it decides the direction."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    BET = "bet"
    WIN = "win"
    SETTLEMENT = "settlement"
    REVERSAL = "reversal"

    def signed(self, amount: int) -> int:
        """`amount` as it changes the balance; that of a decision has its sign already."""
        match self:
            case Kind.DEPOSIT | Kind.WIN | Kind.SETTLEMENT | Kind.REVERSAL:
                return amount
            case Kind.WITHDRAWAL | Kind.BET:
                return -amount
            case _:
                assert_never(self)


@dataclass(frozen=True, slots=True)
class Move:
    """A wish to move `amount` (minor units). `decided_by` is the member of staff whose decision it is, if any."""

    request_id: str
    player_id: str
    kind: Kind
    amount: int
    reference: str = ""
    decided_by: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A move that happened. `amount` is signed; `balance_after` >= 0; `created_at` is UTC, whole milliseconds.

    `decided_by` is the player's id of who has decided so, where a person has; `trace` are the trace headers of the
    request that caused it, for the event that tells of it.
    """

    request_id: str
    player_id: str
    kind: Kind
    amount: int
    balance_after: int
    sequence: int
    reference: str
    created_at: datetime
    decided_by: str = ""
    trace: Mapping[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Wallet:
    """A player's money after `sequence` entries. `pending` are the newest, not yet known to be in the ledger.

    `limits` are the platform's when nobody has set them; `deposits` are those of the day on which there were any.
    """

    player_id: str
    balance: int = 0
    sequence: int = 0
    pending: tuple[Entry, ...] = ()
    limits: Held = UNSET
    deposits: Day = NEVER


@dataclass(frozen=True, slots=True)
class Change:
    """What a move does to a wallet: the entries it adds, one at least, and the deposits of the day from then on."""

    entries: tuple[Entry, ...]
    deposits: Day

    @property
    def waits(self) -> bool:
        """Whether it waits for somebody's decision from then on."""
        return [entry.kind for entry in self.entries] == [Kind.WITHDRAWAL]


def check_identifier(name: str, value: str) -> None:
    """Raises Invalid, naming the field `name`, unless `value` is fit to be an identifier."""
    if not _IDENTIFIER.fullmatch(value):
        raise Invalid(f"{name}: must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -")


def asked(request_id: str, player_id: str, kind: Kind, amount: int, reference: str) -> Move:
    """The move that a caller asks for. Raises Invalid."""
    check_identifier("request_id", request_id)
    check_identifier("player_id", player_id)
    if not 0 < amount <= MAX_AMOUNT:
        raise Invalid(f"amount: must be from 1 to {MAX_AMOUNT} minor units, not {amount}")
    if reference:
        check_identifier("reference", reference)
    return Move(request_id, player_id, kind, amount, reference)


def decision_id(request_id: str) -> str:
    """The request id of the decision on a transfer. No caller can choose it: identifiers hold no slash."""
    return f"{request_id}/decision"


def decide(wallet: Wallet, move: Move, now: datetime, trace: Mapping[str, str]) -> Change:
    """What `move` does to `wallet`. Raises Insufficient and LimitExceeded."""
    deposits, limits = wallet.deposits, wallet.limits.now(now)
    if move.kind is Kind.BET:
        check_bet(limits, move.amount)
    elif move.kind is Kind.DEPOSIT:
        deposits = deposited(limits, wallet.deposits, move.amount, now)
    amount = move.kind.signed(move.amount)
    balance = wallet.balance + amount
    if balance < 0:
        raise Insufficient(f"the balance of {wallet.balance} does not cover {abs(amount)}")
    entry = Entry(
        request_id=move.request_id,
        player_id=move.player_id,
        kind=move.kind,
        amount=amount,
        balance_after=balance,
        sequence=wallet.sequence + 1,
        reference=move.reference,
        created_at=now.replace(microsecond=now.microsecond // 1000 * 1000),
        decided_by=move.decided_by,
        trace=trace,
    )
    if move.kind is Kind.WITHDRAWAL and move.amount <= INSTANT_WITHDRAWAL:
        return Change((entry, _settlement(entry)), deposits)
    return Change((entry,), deposits)


def _settlement(withdrawal: Entry) -> Entry:
    """The decision that a small withdrawal brings with it, recorded so that another limit later changes no state."""
    return Entry(
        request_id=decision_id(withdrawal.request_id),
        player_id=withdrawal.player_id,
        kind=Kind.SETTLEMENT,
        amount=0,
        balance_after=withdrawal.balance_after,
        sequence=withdrawal.sequence + 1,
        reference=withdrawal.request_id,
        created_at=withdrawal.created_at,
        trace=withdrawal.trace,
    )


def confirm(entry: Entry, move: Move) -> Entry:
    """`entry` as the answer to `move`, sent again under the same request id. Raises Conflict when they differ."""
    if (entry.kind, entry.amount) != (move.kind, move.kind.signed(move.amount)):
        raise Conflict(
            f"request_id: {move.request_id} was used for a {entry.kind} of {abs(entry.amount)}, "
            f"it cannot be a {move.kind} of {move.amount}"
        )
    return entry
