"""What a player wants to hear, and over which channels. No I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass

_IDENTIFIER = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


class Invalid(ValueError):
    """A field of a request is out of its bounds; the message begins with the field's name, and never has its value."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """A player's choice; the defaults are those of a player who never made one. `phone` is E.164. Raises Invalid."""

    player_id: str
    email: bool = True
    sms: bool = False
    push: bool = False
    marketing: bool = False
    phone: str = ""

    def __post_init__(self) -> None:
        check_identifier("player_id", self.player_id)
        if self.phone and not _E164.fullmatch(self.phone):
            raise Invalid("phone: must be a number like +4930123456, with its country")
        if self.sms and not self.phone:
            raise Invalid("phone: is needed for sms")


def is_identifier(value: str) -> bool:
    """Whether a value is fit to be an identifier."""
    return _IDENTIFIER.fullmatch(value) is not None


def check_identifier(field: str, value: str) -> None:
    """Raises Invalid, naming `field`, unless `value` is fit to be an identifier."""
    if not is_identifier(value):
        raise Invalid(f"{field}: must be 1 to 128 of the characters A-Z a-z 0-9 . _ : -")
