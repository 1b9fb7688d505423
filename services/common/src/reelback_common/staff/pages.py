"""How long a page of a list may be."""

from __future__ import annotations

USUAL, MOST = 50, 100


class BadPage(ValueError):
    """There is no such page; the message begins with the field's name."""


def checked(limit: int) -> int:
    """The number of rows for a caller who has asked for `limit`, 0 being as many as usual. Raises BadPage."""
    if not 0 <= limit <= MOST:
        raise BadPage(f"limit: must be from 0 to {MOST}, not {limit}")
    return limit or USUAL
