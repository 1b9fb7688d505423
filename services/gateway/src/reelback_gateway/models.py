"""What goes in and out over HTTP. Money is in whole minor units (cents); times are UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal, Self, TypeAlias

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, ConfigDict, Field
from reelback.v1 import analytics_pb2, game_pb2, payment_pb2, user_pb2

RequestId: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9_-]{1,64}$",
        description="Chosen by the caller. Sent again it has the first effect, and no other.",
        examples=["7f3c2f0e"],
    ),
]
# Strict: neither 1.0 nor true is an amount. The bound is what JSON readers keep exactly; services have narrower ones.
Amount: TypeAlias = Annotated[int, Field(strict=True, gt=0, lt=2**53, examples=[500])]


class Request(BaseModel):
    """A body; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Registration(Request):
    """A new player."""

    email: Annotated[str, Field(max_length=254, examples=["ada@example.com"])]
    password: Annotated[str, Field(max_length=128, examples=["correct horse"])]
    display_name: Annotated[str, Field(max_length=40, examples=["Ada"])]


class Credentials(Request):
    """What signs in."""

    email: Annotated[str, Field(max_length=254, examples=["ada@example.com"])]
    password: Annotated[str, Field(max_length=128, examples=["correct horse"])]


class Code(Request):
    """What the first mail says."""

    code: Annotated[str, Field(max_length=32, examples=["ABCDEFGH23456777"])]


class Move(Request):
    """Money in or out."""

    request_id: RequestId
    amount: Amount


class LimitsRequest(Request):
    """What a player wants to be held to."""

    deposit_per_day: Annotated[Amount, Field(description="All deposits from midnight to midnight UTC.")]
    bet: Annotated[Amount, Field(description="One bet.")]


class Bet(Request):
    """One spin."""

    request_id: RequestId
    bet: Annotated[Amount, Field(description="Over all lines; a multiple of their number.", examples=[10])]


class Profile(BaseModel):
    """A player."""

    player_id: str
    email: str
    display_name: str
    kyc: Literal["none", "pending", "verified", "refused"]
    created_at: datetime
    email_verified: bool

    @classmethod
    def of(cls, message: user_pb2.Profile) -> Self:
        """From the user service's answer."""
        kyc = user_pb2.Kyc.Name(message.kyc).removeprefix("KYC_").lower()
        return cls.model_validate(
            {
                "player_id": message.player_id,
                "email": message.email,
                "display_name": message.display_name,
                "kyc": kyc,
                "created_at": utc(message.created_at),
                "email_verified": message.email_verified,
            }
        )


class Token(BaseModel):
    """A session: send `token` as `Authorization: Bearer ...`. `roles` are those of its player."""

    token: str
    player_id: str
    expires_at: datetime
    roles: list[str]


class Wallet(BaseModel):
    """A balance."""

    balance: int
    currency: str

    @classmethod
    def of(cls, message: payment_pb2.Wallet) -> Self:
        """From payment's answer."""
        return cls(balance=message.balance, currency=message.currency)


class Entry(BaseModel):
    """A line of the ledger. `amount` is signed: a bet is negative."""

    request_id: str
    kind: Literal["deposit", "withdrawal", "bet", "win", "settlement", "reversal"]
    amount: int
    balance_after: int
    sequence: int
    reference: str
    created_at: datetime

    @classmethod
    def of(cls, message: payment_pb2.Entry) -> Self:
        """From payment's answer."""
        kind = payment_pb2.EntryKind.Name(message.kind).removeprefix("ENTRY_KIND_").lower()
        return cls.model_validate(
            {
                "request_id": message.request_id,
                "kind": kind,
                "amount": message.amount,
                "balance_after": message.balance_after,
                "sequence": message.sequence,
                "reference": message.reference,
                "created_at": utc(message.created_at),
            }
        )


class Transfer(BaseModel):
    """A deposit or a withdrawal, and how far it has come."""

    state: Literal["pending", "settled", "rejected", "reversed"]
    entry: Entry

    @classmethod
    def of(cls, message: payment_pb2.Transfer) -> Self:
        """From payment's answer."""
        state = payment_pb2.TransferState.Name(message.state).removeprefix("TRANSFER_STATE_").lower()
        return cls.model_validate({"state": state, "entry": Entry.of(message.entry)})


class RaisedLimits(BaseModel):
    """Higher limits, and when they begin to hold."""

    deposit_per_day: int
    bet: int
    holds_from: datetime


class Limits(BaseModel):
    """What a player is held to; `raised` is what the player has asked for and does not hold yet."""

    deposit_per_day: int
    bet: int
    raised: RaisedLimits | None = None

    @classmethod
    def of(cls, message: payment_pb2.Limits) -> Self:
        """From payment's answer."""
        raised = None
        if message.HasField("raised"):
            raised = RaisedLimits(
                deposit_per_day=message.raised.deposit_per_day,
                bet=message.raised.bet,
                holds_from=utc(message.raised.holds_from),
            )
        return cls(deposit_per_day=message.deposit_per_day, bet=message.bet, raised=raised)


class LineWin(BaseModel):
    """A line that paid; `line` counts from 1."""

    line: int
    symbol: str
    count: int
    amount: int


class Round(BaseModel):
    """One spin. `window` has the rows from the top, each with a symbol a reel."""

    round_id: str
    request_id: str
    bet: int
    win: int
    window: list[list[str]]
    wins: list[LineWin]
    balance_after: int
    played_at: datetime

    @classmethod
    def of(cls, message: game_pb2.Round) -> Self:
        """From the game's answer."""
        symbols = list(message.symbols)
        starts = range(0, message.rows * message.reels, message.reels)
        return cls(
            round_id=message.round_id,
            request_id=message.request_id,
            bet=message.bet,
            win=message.win,
            window=[symbols[start : start + message.reels] for start in starts],
            wins=[LineWin(line=w.line, symbol=w.symbol, count=w.count, amount=w.amount) for w in message.wins],
            balance_after=message.balance_after,
            played_at=utc(message.played_at),
        )


class Leader(BaseModel):
    """One of those who have bet the most; who it is, is not said."""

    rounds: int
    bet: int
    win: int


class Leaderboard(BaseModel):
    """The last hour: the players who have bet the most, the first of them first, and how many play now."""

    leaders: list[Leader]
    active_players: int

    @classmethod
    def of(cls, message: analytics_pb2.Report) -> Self:
        """From the report of analytics."""
        leaders = [Leader(rounds=each.rounds, bet=each.bet, win=each.win) for each in message.top_players]
        return cls(leaders=leaders, active_players=message.active_sessions)


class Pay(BaseModel):
    """What a symbol pays, in times the bet on one line."""

    symbol: str
    count: int
    multiplier: int


class Paytable(BaseModel):
    """The machine. A line has the row on each reel, from 0 at the top; `theoretical_rtp` and `variance` (of what one
    round pays back of one unit of its bet) are computed, not measured."""

    game: str
    lines: list[list[int]]
    pays: list[Pay]
    theoretical_rtp: float
    variance: float

    @classmethod
    def of(cls, message: game_pb2.Paytable) -> Self:
        """From the game's answer."""
        return cls(
            game=message.game,
            lines=[list(line.rows) for line in message.lines],
            pays=[Pay(symbol=p.symbol, count=p.count, multiplier=p.multiplier) for p in message.pays],
            theoretical_rtp=message.theoretical_rtp,
            variance=message.variance,
        )


class FieldError(BaseModel):
    """What is wrong with one field of a request."""

    field: str
    message: str


class ProblemDetails(BaseModel):
    """Every error (RFC 9457). `trace_id` finds it in Sentry; `code` tells apart what shares a status."""

    type: str
    title: str
    status: int
    detail: str
    code: str | None = None
    errors: list[FieldError] | None = None
    trace_id: str


def utc(stamp: Timestamp) -> datetime:
    """The time of a message."""
    return stamp.ToDatetime(UTC)
