"""How much an address may send, counted in this process: telemetry asks no store. No I/O."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable

MAX_ADDRESSES = 10_000
"""Addresses that are remembered; of more, who has not come for the longest time is forgotten."""


class Rates:
    """A share for each address: `per_second` on the long run, `burst` at once."""

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float]) -> None:
        """`clock` gives seconds that only grow."""
        self._pace = 1 / per_second
        self._ahead = burst / per_second
        self._clock = clock
        self._due: OrderedDict[str, float] = OrderedDict()

    def wait(self, address: str) -> int:
        """Count one request; whole seconds until it would be welcome, 0 when it is."""
        now = self._clock()
        due = max(self._due.get(address, now), now) + self._pace
        if due - now > self._ahead:
            return math.ceil(due - now - self._ahead)
        self._due[address] = due
        self._due.move_to_end(address)
        if len(self._due) > MAX_ADDRESSES:
            self._due.popitem(last=False)
        return 0
