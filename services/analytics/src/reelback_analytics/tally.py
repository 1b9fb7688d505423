"""What one event adds to the figures. No I/O.

Figures are kept by the minute: one document holds what one player did in one minute, and the ids of the events that
are in it. So a document stays small however long somebody plays, and a copy of an event meets the id of the first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Any, ClassVar, Self

from reelback.v1 import events_pb2, payment_pb2

MINUTE = 60
"""Seconds of a document."""

MAX_AMOUNT = 100_000_000
"""The largest amount that is believed, in minor units: a million in major ones, payment's own limit."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_GAME = re.compile(r"[a-z0-9_-]{1,32}")


class Unreadable(ValueError):
    """An event that says nothing which could be counted; the message begins with the field's name."""


@dataclass(frozen=True, slots=True)
class Sums:
    """Figures that add up: to a day, to a game, to all there is."""

    TOPIC: ClassVar[str]
    """Whose events add to these."""
    HIGHEST: ClassVar[frozenset[str]] = frozenset()
    """Fields of which not the sum is wanted, but the largest."""

    @classmethod
    def of(cls, document: dict[str, Any]) -> Self:
        """The figures in a document of the store; 0 for what it does not have."""
        return cls(**{field.name: document.get(field.name, 0) for field in fields(cls)})

    def __add__(self, other: Self) -> Self:
        def together(name: str) -> Any:
            mine, others = getattr(self, name), getattr(other, name)
            return max(mine, others) if name in self.HIGHEST else mine + others

        return type(self)(**{field.name: together(field.name) for field in fields(self)})


@dataclass(frozen=True, slots=True)
class Play(Sums):
    """Rounds of one game. Amounts in minor units; `bet_squared` is the sum of each bet's square."""

    TOPIC: ClassVar[str] = "bets"
    HIGHEST: ClassVar[frozenset[str]] = frozenset({"max_bet"})

    rounds: int = 0
    won: int = 0
    bet: int = 0
    win: int = 0
    bet_squared: float = 0.0
    max_bet: int = 0


@dataclass(frozen=True, slots=True)
class Money(Sums):
    """Payments: the entries of the ledger, and the attempts that made none. Amounts in minor units.

    `balance` is the sum of the signed amounts. A payment is settled once its entry stands; what takes a deposit or a
    withdrawal back makes `deposited` or `withdrawn` smaller, and is no payment.
    """

    TOPIC: ClassVar[str] = "payments"

    entries: int = 0
    balance: int = 0
    settled: int = 0
    declined: int = 0
    failed: int = 0
    deposits: int = 0
    deposited: int = 0
    withdrawn: int = 0
    wagered: int = 0


@dataclass(frozen=True, slots=True)
class Account(Sums):
    """What happened to an account: registered, verified."""

    TOPIC: ClassVar[str] = "users"

    changes: int = 0


KINDS: tuple[type[Sums], ...] = (Play, Money, Account)


@dataclass(frozen=True, slots=True)
class Tally:
    """One event as it is counted: who, when, and what it adds. `game` is empty for what belongs to none."""

    event_id: str
    player_id: str
    at: datetime
    sums: Sums
    game: str = ""

    @property
    def minute(self) -> int:
        """Minutes since 1970."""
        return minute_of(self.at)


def minute_of(at: datetime) -> int:
    """Minutes since 1970."""
    return int(at.timestamp()) // MINUTE


def start_of(minute: int) -> datetime:
    """When a minute begins."""
    return datetime.fromtimestamp(minute * MINUTE, UTC)


def read(event: events_pb2.Event) -> Tally:
    """What `event` adds. Raises Unreadable."""
    if not event.event_id:
        raise Unreadable("event_id: is empty")
    if not _IDENTIFIER.fullmatch(event.player_id):
        raise Unreadable("player_id: must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -")
    if not event.HasField("occurred_at"):
        raise Unreadable("occurred_at: is not set")
    try:
        at = event.occurred_at.ToDatetime(UTC)
    except ValueError as error:
        raise Unreadable(f"occurred_at: {error}") from None
    match event.WhichOneof("payload"):
        case "round_settled":
            round_ = event.round_settled
            return Tally(event.event_id, event.player_id, at, _play(round_), _game(round_.game))
        case "money_moved":
            return Tally(event.event_id, event.player_id, at, _entry(event.money_moved.entry))
        case "payment_failed":
            return Tally(event.event_id, event.player_id, at, _failure(event.payment_failed.reason))
        case "player_registered" | "kyc_changed":
            return Tally(event.event_id, event.player_id, at, Account(changes=1))
        case other:
            raise Unreadable(f"payload: {other or 'none'} is not counted")


def _game(name: str) -> str:
    if not _GAME.fullmatch(name):
        raise Unreadable("round_settled.game: must be 1 to 32 of the characters a-z 0-9 _ -")
    return name


def _play(round_: events_pb2.RoundSettled) -> Play:
    bet = _amount("round_settled.bet", round_.bet, least=1)
    win = _amount("round_settled.win", round_.win, least=0)
    return Play(rounds=1, won=int(win > 0), bet=bet, win=win, bet_squared=float(bet * bet), max_bet=bet)


def _entry(entry: payment_pb2.Entry) -> Money:
    amount = _amount("money_moved.entry.amount", entry.amount, least=-MAX_AMOUNT)
    size = abs(amount)
    match entry.kind:
        case payment_pb2.ENTRY_KIND_DEPOSIT:
            adds = {"settled": 1, "deposits": 1, "deposited": size}
        case payment_pb2.ENTRY_KIND_WITHDRAWAL:
            adds = {"settled": 1, "withdrawn": size}
        case payment_pb2.ENTRY_KIND_BET:
            adds = {"settled": 1, "wagered": size}
        case payment_pb2.ENTRY_KIND_WIN:
            adds = {"settled": 1}
        case payment_pb2.ENTRY_KIND_SETTLEMENT:
            adds = {}
        case payment_pb2.ENTRY_KIND_REVERSAL:
            adds = {"deposited": amount} if amount < 0 else {"withdrawn": -amount}
        case _:
            raise Unreadable("money_moved.entry.kind: is not known")
    return Money(entries=1, balance=amount, **adds)


def _failure(reason: events_pb2.PaymentFailed.Reason) -> Money:
    match reason:
        case events_pb2.PaymentFailed.DECLINED:
            return Money(declined=1)
        case events_pb2.PaymentFailed.ERROR:
            return Money(failed=1)
        case _:
            raise Unreadable("payment_failed.reason: is not known")


def _amount(field: str, value: int, least: int) -> int:
    if not least <= value <= MAX_AMOUNT:
        raise Unreadable(f"{field}: must be from {least} to {MAX_AMOUNT}, not {value}")
    return value
