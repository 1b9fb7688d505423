"""The code by which a player shows that mail to an address reaches them."""

from __future__ import annotations

import base64
import hashlib
import hmac

_BYTES = 10


def email_code(secret: str, player_id: str, email: str) -> str:
    """16 letters and digits that only who has the secret can make, for this player and this address."""
    digest = hmac.digest(secret.encode(), f"{player_id} {email}".encode(), hashlib.sha256)
    return base64.b32encode(digest[:_BYTES]).decode()
