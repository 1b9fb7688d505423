"""Sampled requests: how many a segment stands for, and how sure a figure made of them is, as Sentry reckons both.

A sender that keeps one request in ten names its rate, 0.1, and each request it sent stands for ten. As at Sentry a
rate is a number in (0, 1], kept to six digits, and anything else is 1. Whether a figure is trusted is Sentry's rule,
too: the half width of its 95 % interval, by the Horvitz-Thompson estimator, is at most half of it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from reelback_minisentry.stats.histogram import percentile

Confidence = Literal["low", "high"] | None
"""None: nothing was extrapolated, or there is nothing to be sure of."""

ATTRIBUTE = "sentry.client_sample_rate"
"""Where a span names its rate."""

DIGITS = 6
_Z = 1.96
_THRESHOLD = 0.5
_FEW = 50
"""Samples of which no percentile is trusted."""


class Sampled(NamedTuple):
    """Segments that came, how many requests they stand for, and the variance of that number."""

    samples: int
    weight: float
    variance: float


def rate(value: object) -> float:
    """The sample rate that a sender names; 1 for what is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        return 1.0
    return max(round(float(value), DIGITS), 10.0**-DIGITS)


def named(sample_rate: float) -> str:
    """A rate as a counter's dimension: "" for 1."""
    return "" if sample_rate == 1 else f"{sample_rate:.{DIGITS}f}".rstrip("0")


@lru_cache(1000)
def weight(dimension: str) -> float:
    """How many requests one of this dimension stands for; 1 where too many rates were named and none was kept."""
    return 1 / float(dimension) if dimension.startswith("0.") else 1.0


def summed(counts: Iterable[tuple[str, int]]) -> Sampled:
    """Counters, each with its rate's dimension, as one."""
    count, total, variance = 0, 0.0, 0.0
    for dimension, n in counts:
        one = weight(dimension)
        count += n
        total += n * one
        variance += n * one * (one - 1)
    return Sampled(count, total, variance)


def of_count(sampled: Sampled) -> Confidence:
    """How sure a number of requests is."""
    if not sampled.samples:
        return None
    return "high" if _Z * math.sqrt(sampled.variance) <= _THRESHOLD * sampled.weight else "low"


def of_percentile(bins: Mapping[int, float], count: int, share: float) -> Confidence:
    """How sure a percentile of `count` samples is."""
    if not count:
        return None
    if count <= _FEW:
        return "low"
    width = _Z * math.sqrt(share * (1 - share) / count)
    low, found, high = (percentile(bins, min(max(at, 0.0), 1.0)) for at in (share - width, share, share + width))
    if low is None or found is None or high is None:
        return None
    return "high" if max(found - low, high - found) <= _THRESHOLD * found else "low"
