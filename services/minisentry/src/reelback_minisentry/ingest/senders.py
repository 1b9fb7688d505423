"""How much one sender, a key at an address, may send. No I/O."""

from __future__ import annotations

from collections import OrderedDict

UNIT = 16 * 1024
"""Bytes, not compressed, that cost as much as a request."""

BURST = 4.0
"""Seconds' worth that may come at once."""

MAX_SENDERS = 1024

Sender = tuple[bytes, str]
"""A key and an address."""


class Senders:
    """A bucket for each sender that refills by `rate` units a second; a request may overdraw it, and the next waits."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: OrderedDict[Sender, tuple[float, float]] = OrderedDict()

    def wait(self, sender: Sender, now: float) -> float:
        """Seconds until the sender may send again; 0 when it may."""
        return max(0.0, -self._level(sender, now) / self._rate)

    def charge(self, sender: Sender, size: int, now: float) -> None:
        """Take a request of `size` bytes off the sender's bucket."""
        self._buckets[sender] = (self._level(sender, now) - 1 - size / UNIT, now)
        self._buckets.move_to_end(sender)
        if len(self._buckets) > MAX_SENDERS:
            self._buckets.popitem(last=False)

    def _level(self, sender: Sender, now: float) -> float:
        level, at = self._buckets.get(sender, (BURST * self._rate, now))
        return min(level + (now - at) * self._rate, BURST * self._rate)
