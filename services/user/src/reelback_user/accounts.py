"""The rules of an account: what may be registered, how an address is compared, how it is verified. No I/O."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

MAX_EMAIL = 254
MIN_PASSWORD, MAX_PASSWORD = 8, 128
MAX_NAME = 40
# Only the shape; whether an address exists is known when a message arrives there. Without a question mark no encoded
# word (=?utf-8?q?...?=) can be written, which a mail server would read as another address.
_EMAIL = re.compile(r"[\w.!#$%&'*+/=^`{|}~-]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+")


class Invalid(ValueError):
    """A field of a request is out of its bounds; the message begins with the field's name, and never has its value."""


class Taken(Exception):
    """Another account has the address."""


class Denied(Exception):
    """No such account, another password, or no such session: which of them is not said."""


class Unknown(Exception):
    """There is no such player."""


class Contention(Exception):
    """The account was changed by somebody else meanwhile; nothing was done."""


class NotNow(Exception):
    """The state of the account does not allow this."""


class NotAllowed(Exception):
    """Whoever asks has no role that may do this, or is the player that it is about."""


class Kyc(StrEnum):
    """How far a player's identity is verified."""

    NONE = "none"
    PENDING = "pending"
    VERIFIED = "verified"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Account:
    """A player as stored. `email` is normalised; `password_hash` has its own parameters in it; times are UTC.

    `kyc_changes` counts how often `kyc` has changed, `kyc_at` is when it did last, and `kyc_by` the player's id of who
    decided so, if somebody has. `email_verified`: the code that was sent there has come back.
    """

    player_id: str
    email: str
    display_name: str
    password_hash: str
    created_at: datetime
    kyc: Kyc = Kyc.NONE
    kyc_changes: int = 0
    kyc_at: datetime | None = None
    kyc_by: str = ""
    email_verified: bool = False

    def submitted(self, now: datetime) -> Account:
        """The account once documents are handed in. Raises NotNow."""
        if self.kyc not in (Kyc.NONE, Kyc.REFUSED):
            raise NotNow(f"kyc: no documents are needed while it is {self.kyc}")
        return self._with(Kyc.PENDING, now, "")

    def decided(self, kyc: Kyc, by: str, now: datetime) -> Account:
        """The account once `by` has looked at the documents; itself if that was decided before. Raises NotNow and
        NotAllowed."""
        if by == self.player_id:
            raise NotAllowed("nobody decides on his own documents")
        if self.kyc is kyc:
            return self
        if self.kyc is not Kyc.PENDING:
            raise NotNow(f"kyc: there is nothing to decide while it is {self.kyc}")
        return self._with(kyc, now, by)

    def _with(self, kyc: Kyc, now: datetime, by: str) -> Account:
        return replace(self, kyc=kyc, kyc_changes=self.kyc_changes + 1, kyc_at=now, kyc_by=by)


def decision(kyc: Kyc | None) -> Kyc:
    """What may be decided on documents. Raises Invalid."""
    if kyc not in (Kyc.VERIFIED, Kyc.REFUSED):
        raise Invalid("kyc: a decision is KYC_VERIFIED or KYC_REFUSED")
    return kyc


def normalise_email(email: str) -> str:
    """The form under which an address is unique: case and Unicode variants do not make another. Raises Invalid."""
    normal = unicodedata.normalize("NFKC", email).strip().casefold()
    if len(normal) > MAX_EMAIL or not _EMAIL.fullmatch(normal):
        raise Invalid("email: must be an address like name@example.com")
    return normal


def check_password(password: str) -> None:
    """Raises Invalid when a password is too short, or too long to be hashed for anyone who asks."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise Invalid(f"password: must have {MIN_PASSWORD} to {MAX_PASSWORD} characters")


def clean_name(name: str) -> str:
    """A display name without blanks around it. Raises Invalid."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise Invalid(f"display_name: must have 1 to {MAX_NAME} printable characters")
    return name
