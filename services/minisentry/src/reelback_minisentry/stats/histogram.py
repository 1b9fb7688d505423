"""Durations in bins whose bounds grow by 8 %: a percentile read from them is off by at most 4 %.

Bin b holds the durations from 1.08**b to 1.08**(b+1) ms and is read as its geometric middle, so that the relative
error is at most sqrt(1.08) - 1 = 3.93 %. 361 bins reach from 0.001 ms to 1 h; anything shorter or longer counts as
that. Values of metrics, which may be anything, have bins of the same width on both sides of zero.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

GROWTH = 1.08
_LOG = math.log(GROWTH)
_LOWEST = math.floor(math.log(0.001) / _LOG)
_HIGHEST = math.floor(math.log(3_600_000) / _LOG)
_OFFSET, _GREATEST = 300, 900
"""Bins of a value: its duration's bin + 300, which keeps the least (1e-9) above 0; 1.08**900 is 1e30."""


def bin_of(milliseconds: float) -> int:
    """The bin of a duration."""
    if milliseconds <= 0.001:
        return _LOWEST
    return min(max(math.floor(math.log(milliseconds) / _LOG), _LOWEST), _HIGHEST)


def middle(number: int) -> float:
    """The duration (ms) a bin stands for."""
    return float(GROWTH ** (number + 0.5))


def value_bin(value: float) -> int:
    """The bin of any number, in their order: 0 is zero, and what is closer to it than a billionth."""
    size = abs(value)
    if size < 1e-9:
        return 0
    number = min(math.floor(math.log(size) / _LOG), _GREATEST) + _OFFSET
    return number if value > 0 else -number


def value_middle(number: int) -> float:
    """The number a bin of `value_bin` stands for."""
    return math.copysign(middle(abs(number) - _OFFSET), number) if number else 0.0


def bound(milliseconds: float) -> int:
    """The bin that begins closest to a duration: it and those above are longer, with a limit 4 % off at most."""
    if milliseconds <= 0.001:
        return _LOWEST
    return min(max(round(math.log(milliseconds) / _LOG), _LOWEST), _HIGHEST + 1)


def percentile(bins: Mapping[int, float], share: float, middle: Callable[[int], float] = middle) -> float | None:
    """The duration (ms) that `share` (0..1) of the counted ones do not exceed; None without any.

    `middle`: what a bin stands for, where it is no duration.
    """
    total = sum(bins.values())
    left = share * total - total * 1e-9  # what sums of weights may be off by
    for number in sorted(bins):
        left -= bins[number]
        if left <= 0:
            return middle(number)
    return None


def mean(bins: Mapping[int, float]) -> float | None:
    """The mean duration (ms), within the same error; None without any."""
    total = sum(bins.values())
    return sum(middle(number) * n for number, n in bins.items()) / total if total else None
