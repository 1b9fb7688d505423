"""A metric's samples summed up: how many, their sum, least, greatest and last one, and of distributions the bins."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from struct import Struct

from reelback_minisentry.stats.histogram import percentile, value_middle

PACKED = Struct("<6d")
"""As it stands in Redis: count, sum, least, greatest, last, time of the last. writer.py merges it there."""


@dataclass(slots=True)
class Stats:
    """Sums of samples. `at` (s since 1970) is the time of the last one; `bins` counts the samples of distributions."""

    count: int = 0
    total: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    last: float = 0.0
    at: float = 0.0
    bins: Counter[int] = field(default_factory=Counter)

    def add(self, other: Stats) -> None:
        """Take the samples of another one in."""
        self.count += other.count
        self.total += other.total
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        if other.at >= self.at:
            self.last, self.at = other.last, other.at
        self.bins.update(other.bins)

    def pack(self) -> bytes:
        """All but the bins."""
        return PACKED.pack(self.count, self.total, self.low, self.high, self.last, self.at)

    @property
    def mean(self) -> float | None:
        """None of no samples."""
        return self.total / self.count if self.count else None

    def percentile(self, share: float) -> float | None:
        """What `share` (0..1) of the samples do not exceed, 4 % off at most; None without samples of distributions."""
        found = percentile(self.bins, share, value_middle)
        return None if found is None else min(max(found, self.low), self.high)


def of_sample(value: float, at: float) -> Stats:
    """One sample."""
    return Stats(1, value, value, value, value, at)


def unpack(raw: bytes) -> Stats:
    """What `pack` made."""
    count, total, low, high, last, at = PACKED.unpack(raw)
    return Stats(int(count), total, low, high, last, at)


def merged(parts: Iterable[Stats]) -> Stats:
    """All of them as one."""
    whole = Stats()
    for part in parts:
        whole.add(part)
    return whole
