"""A round of the game as it is kept. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from reelback_game.slots import Invalid, Outcome

_IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,128}")


class Conflict(Exception):
    """The request id was used before, for another bet."""


class State(StrEnum):
    """How far a round has come."""

    OPENED = "opened"
    """The outcome is drawn; whether the bet was taken is payment's to say."""
    SETTLED = "settled"
    """The bet is taken and the win is paid."""
    VOID = "void"
    """The bet was not taken. The same request may still be sent again, and then plays this round."""


@dataclass(frozen=True, slots=True)
class Round:
    """One bet and its outcome, drawn before the bet is taken: a retry cannot ask for a better one.

    Money in minor units; times are UTC, in whole milliseconds. `attempted_at` is when it was last asked for.
    `balance_after` is known once it is settled.
    """

    round_id: str
    request_id: str
    player_id: str
    bet: int
    outcome: Outcome
    played_at: datetime
    attempted_at: datetime
    state: State = State.OPENED
    balance_after: int = 0

    @property
    def bet_id(self) -> str:
        """The request id under which payment takes the bet."""
        return f"{self.round_id}:bet"

    @property
    def win_id(self) -> str:
        """The request id under which payment pays the win."""
        return f"{self.round_id}:win"


def check_identifier(field: str, value: str) -> None:
    """Raises Invalid, naming `field`, unless `value` is fit to be an identifier."""
    if not _IDENTIFIER.fullmatch(value):
        raise Invalid(f"{field}: must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -")
