"""The ways in which a delivery fails. The texts are reasons, and have no personal data."""

from __future__ import annotations

from datetime import datetime


class Refused(Exception):
    """The message can never be delivered."""


class Unverified(Refused):
    """Nobody has shown yet that mail to the address reaches them."""


class Deferred(Exception):
    """The message could not be delivered now."""


class Unreachable(Deferred):
    """Nor could any other: the provider does not do its work."""


class Later(Exception):
    """Nothing was tried: the message is to wait until then."""

    def __init__(self, due_at: datetime) -> None:
        super().__init__(f"not before {due_at:%H:%M:%S}")
        self.due_at = due_at
