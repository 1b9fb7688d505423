"""Saying something now and then."""

from __future__ import annotations

import time

MOST = 1000
"""Names that are remembered; when there are more, all are forgotten."""


class Seldom:
    """Lets a name pass once in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._next: dict[str, float] = {}

    def passes(self, name: str) -> bool:
        """Whether it is time for this name."""
        now = time.monotonic()
        if now < self._next.get(name, now):
            return False
        if len(self._next) >= MOST:
            self._next.clear()
        self._next[name] = now + self._seconds
        return True
