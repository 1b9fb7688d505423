"""Bearer tokens: a session in a signed envelope, so that a forged one costs no call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import jwt

ALGORITHM = "HS256"


class Invalid(Exception):
    """Not a token of this gateway, or one that has run out."""


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says; whether the session is still open, and which roles it has, is the user service's to say."""

    player_id: str
    session_id: str
    roles: frozenset[str] = frozenset()


class Tokens:
    """Signs and reads tokens with one secret (at least 32 characters)."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def issue(self, claims: Claims, expires_at: datetime) -> str:
        """A token for a session."""
        payload = {"sub": claims.player_id, "sid": claims.session_id, "exp": expires_at}
        return jwt.encode(payload, self._secret, ALGORITHM)

    def read(self, token: str) -> Claims:
        """What the token says. Raises Invalid."""
        try:
            payload = jwt.decode(token, self._secret, [ALGORITHM], options={"require": ["sub", "sid", "exp"]})
        except jwt.InvalidTokenError as error:
            raise Invalid(str(error)) from None
        return Claims(payload["sub"], str(payload["sid"]))
