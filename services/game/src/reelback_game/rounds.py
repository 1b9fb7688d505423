"""A round of the game as it is kept, and what others are told about it. No I/O."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reelback.v1 import events_pb2
from reelback_common.events import Outgoing

from reelback_game.slots import Invalid, Outcome

TOPIC = "bets"
_IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Conflict(Exception):
    """The request id was used before, for another bet."""


class State(StrEnum):
    """How far a round has come."""

    OPENED = "opened"
    """The outcome is drawn; whether the bet was taken is payment's to say."""
    SETTLED = "settled"
    """The bet is taken and the win is paid."""


@dataclass(frozen=True, slots=True)
class Round:
    """One bet and its outcome, drawn before the bet is taken: a retry cannot ask for a better one.

    Money in minor units; times are UTC, in whole milliseconds. `attempted_at` is when it was last asked for, and
    `headers` are the trace in which it was asked for first. `balance_after`, and `sequence`, which counts the bet in
    the player's ledger, are known once it is settled.
    """

    round_id: str
    request_id: str
    player_id: str
    game: str
    bet: int
    outcome: Outcome
    played_at: datetime
    attempted_at: datetime
    headers: Mapping[str, str]
    state: State = State.OPENED
    balance_after: int = 0
    sequence: int = 0

    @property
    def bet_id(self) -> str:
        """The request id under which payment takes the bet."""
        return f"{self.round_id}:bet"

    @property
    def win_id(self) -> str:
        """The request id under which payment pays the win."""
        return f"{self.round_id}:win"

    def settled_event(self) -> Outgoing:
        """That it is settled; the same event however often it is made."""
        event = events_pb2.Event(
            event_id=self.round_id,
            player_id=self.player_id,
            round_settled=events_pb2.RoundSettled(
                round_id=self.round_id, game=self.game, bet=self.bet, win=self.outcome.win
            ),
        )
        event.occurred_at.FromDatetime(self.played_at)
        return Outgoing(TOPIC, event, self.headers)


def round_id(player_id: str, request_id: str) -> str:
    """The id of a player's round for a request: the same for every attempt, and of no other player or request."""
    return hashlib.sha256(f"{player_id}/{request_id}".encode()).hexdigest()[:32]


def check_identifier(field: str, value: str) -> None:
    """Raises Invalid, naming `field`, unless `value` is fit to be an identifier; those hold no slash."""
    if not _IDENTIFIER.fullmatch(value):
        raise Invalid(f"{field}: must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -")
