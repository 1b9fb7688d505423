"""What goes in and out of the back office. Money is in whole minor units (cents); times are UTC."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, Field
from reelback.v1 import analytics_pb2, audit_pb2, events_pb2, payment_pb2, user_pb2

from reelback_gateway.models import Entry, Limits, Profile, Request, Transfer, Wallet, utc

T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    """A part of a list; `next` is the cursor of the following one, or null when this is the last."""

    items: list[T]
    next: str | None = None


class Person(BaseModel):
    """A player, or a member of staff."""

    player_id: str
    display_name: str


class Member(Person):
    """Who is signed in, and what he may do."""

    roles: list[str]
    may: list[str]


class Search(Request):
    """A player's id, a whole address of mail, or how a name begins."""

    text: Annotated[str, Field(min_length=1, max_length=254, examples=["Ada"])]
    cursor: Annotated[str, Field(max_length=200)] = ""


class FoundPlayer(Profile):
    """A player as staff sees it; of the address of mail most is left out where the role does not allow more."""

    kyc_changed_at: datetime | None = None
    kyc_decided_by: Person | None = None

    @classmethod
    def seen(cls, message: user_pb2.Profile, *, contact: bool, deciders: Mapping[str, Person]) -> Self:
        """From the user service's answer; `contact` shows the address."""
        plain = Profile.of(message).model_dump()
        changed = utc(message.kyc_changed_at) if message.HasField("kyc_changed_at") else None
        email = message.email if contact else masked(message.email)
        decider = deciders.get(message.kyc_decided_by)
        return cls(**{**plain, "email": email}, kyc_changed_at=changed, kyc_decided_by=decider)


class Account(BaseModel):
    """What a player has, and is held to."""

    wallet: Wallet
    limits: Limits


class DecidedEntry(Entry):
    """A line of the ledger, and who has decided so, where a person has."""

    decided_by: Person | None = None

    @classmethod
    def seen(cls, message: payment_pb2.Entry, deciders: Mapping[str, Person]) -> Self:
        """From payment's answer."""
        return cls(**Entry.of(message).model_dump(), decided_by=deciders.get(message.decided_by))


class KycDecision(Request):
    """What becomes of a player's documents."""

    decision: Literal["verified", "refused"]


class MoneyDecision(Request):
    """What becomes of a withdrawal (settled, rejected) or of a deposit (reversed)."""

    decision: Literal["settled", "rejected", "reversed"]


class DecidedTransfer(Transfer):
    """A deposit or a withdrawal, whose it is, and who has decided on it."""

    player: Person
    decided_by: Person | None = None
    decided_at: datetime | None = None

    @classmethod
    def seen(cls, message: payment_pb2.Transfer, people: Mapping[str, Person]) -> Self:
        """From payment's answer."""
        return cls(
            **Transfer.of(message).model_dump(),
            player=people[message.entry.player_id],
            decided_by=people.get(message.decided_by),
            decided_at=utc(message.decided_at) if message.HasField("decided_at") else None,
        )


class Alert(BaseModel):
    """What a rule against fraud has raised about a player's day."""

    alert_id: str
    player: Person
    rule: str
    severity: Literal["warning", "critical"]
    detail: str
    raised_at: datetime

    @classmethod
    def of(cls, message: analytics_pb2.Alert, people: Mapping[str, Person]) -> Self:
        """From the answer of analytics."""
        severity = events_pb2.AlertRaised.Severity.Name(message.raised.severity).lower()
        return cls.model_validate(
            {
                "alert_id": message.alert_id,
                "player": people[message.player_id],
                "rule": message.raised.rule,
                "severity": severity,
                "detail": message.raised.detail,
                "raised_at": utc(message.raised_at),
            }
        )


class GameFigures(BaseModel):
    """A game's rounds; `deviation` is how far `rtp` is from the theoretical one, in standard errors."""

    game: str
    rounds: int
    rounds_won: int
    bet: int
    win: int
    rtp: float | None
    theoretical_rtp: float | None
    deviation: float | None


class PlayerFigures(BaseModel):
    """One of those who have bet the most."""

    player: Person
    rounds: int
    bet: int
    win: int


class Report(BaseModel):
    """What the events of a time add up to. Shares are from 0 to 1, and null where there was nothing to divide by."""

    start: datetime
    end: datetime
    games: list[GameFigures]
    payment_success_rate: float | None
    payments: int
    payments_failed: int
    payments_declined: int
    active_players: int
    top_players: list[PlayerFigures]

    @classmethod
    def of(cls, message: analytics_pb2.Report, people: Mapping[str, Person]) -> Self:
        """From the report of analytics."""
        return cls(
            start=utc(message.start),
            end=utc(message.end),
            games=[
                GameFigures(
                    game=game.game,
                    rounds=game.rounds,
                    rounds_won=game.rounds_won,
                    bet=game.bet,
                    win=game.win,
                    rtp=game.rtp if game.HasField("rtp") else None,
                    theoretical_rtp=game.theoretical_rtp if game.HasField("theoretical_rtp") else None,
                    deviation=game.deviation if game.HasField("deviation") else None,
                )
                for game in message.games
            ],
            payment_success_rate=message.payment_success_rate if message.HasField("payment_success_rate") else None,
            payments=message.payments,
            payments_failed=message.payments_failed,
            payments_declined=message.payments_declined,
            active_players=message.active_sessions,
            top_players=[
                PlayerFigures(player=people[each.player_id], rounds=each.rounds, bet=each.bet, win=each.win)
                for each in message.top_players
            ],
        )


class Decision(BaseModel):
    """A line of the audit log. The outcome is `unknown` where a crash came between: the ledger or the profile tells."""

    at: datetime
    by: Person
    action: str
    player: Person
    request_id: str
    outcome: Literal["unknown", "done", "before", "refused", "failed"]
    detail: str

    @classmethod
    def of(cls, message: audit_pb2.AuditRecord, people: Mapping[str, Person]) -> Self:
        """From a service's answer."""
        outcome = audit_pb2.Outcome.Name(message.outcome).removeprefix("OUTCOME_").lower()
        return cls.model_validate(
            {
                "at": utc(message.at),
                "by": people[message.by],
                "action": message.action,
                "player": people[message.player_id],
                "request_id": message.request_id,
                "outcome": "unknown" if message.outcome == audit_pb2.OUTCOME_UNSPECIFIED else outcome,
                "detail": message.detail,
            }
        )


class Live(BaseModel):
    """What goes on: figures of the last minutes, and what waits. Of what waits at most 100 are counted."""

    at: datetime
    active_players: int
    rounds: int
    bet: int
    win: int
    payments: int
    payments_failed: int
    withdrawals_waiting: int
    kyc_waiting: int
    alerts: list[Alert]
    decisions: list[Decision]


def masked(email: str) -> str:
    """An address of which only the first letter and the last label are left: a…@….com."""
    name, _, domain = email.partition("@")
    return f"{name[:1]}…@….{domain.rpartition('.')[2]}"
