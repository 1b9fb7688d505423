"""Rules that decide when a candidate is bad, all asked about the same streams: ours, and how other tools are set up."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from reelback_operator.engine.judging import detector
from reelback_operator.engine.model.status import Counts

from bench.streams import Array, Stream

Rule = Callable[[Stream], int | None]
"""Seconds from the candidate's first to the decision against it, None when there is none."""


@dataclass(frozen=True)
class Sequential:
    """The operator's test, with a look every `interval` seconds, the first at second `first`."""

    ratio: float = 1.5
    alpha: float = 0.001
    interval: int = 2
    first: int = 2
    replaced: bool = False

    def __call__(self, stream: Stream) -> int | None:
        candidate, baseline = _totals(stream.candidate), _totals(stream.baseline)
        limit, memory = math.log(1 / self.alpha), list[float]()
        evidence = detector.alone if self.replaced else detector.beside
        seen = Counts(), Counts()
        for second in range(self.first, len(candidate[0]), self.interval):
            now = _at(candidate, second), Counts() if self.replaced else _at(baseline, second)
            new, old = (detector.since(*pair) for pair in zip(now, seen, strict=True))
            if not new.requests or not (old.requests or self.replaced):
                continue
            before = detector.total(stream.history, seen[1])
            memory = detector.extend(memory, new, old, before, stream.history, ratio=self.ratio)
            seen = now
            # Without a failure there is no more evidence than before.
            if new.failures and evidence(memory) >= limit:
                return second
        return None


@dataclass(frozen=True)
class Threshold:
    """More than `limit` of the candidate's requests failed in the last `interval` seconds, `times` in all.

    A measurement without requests does not count.
    """

    interval: int
    times: int
    limit: float = 0.05

    def __call__(self, stream: Stream) -> int | None:
        requests, failures = _totals(stream.candidate)
        failed = 0
        for second in range(self.interval, len(requests), self.interval):
            served = requests[second] - requests[second - self.interval]
            failed += bool(served) and failures[second] - failures[second - self.interval] > self.limit * served
            if failed >= self.times:
                return second
        return None


def fixed_horizon(stream: Stream) -> int | None:
    """A test of two proportions, once, after a minute, at 3.09 standard deviations: an alpha of 0.1 %."""
    candidate, baseline = (_at(_totals(counts), 60) for counts in (stream.candidate, stream.baseline))
    if not candidate.requests or not baseline.requests:
        return None
    both = detector.total(candidate, baseline)
    common = both.failures / both.requests
    deviation = math.sqrt(common * (1 - common) * (1 / candidate.requests + 1 / baseline.requests))
    difference = candidate.failures / candidate.requests - baseline.failures / baseline.requests
    return 60 if difference > 3.09 * deviation else None


def _totals(counts: tuple[Array, Array]) -> tuple[Array, Array]:
    """What was counted until each second, from second 0."""
    requests, failures = (np.concatenate([[0], np.cumsum(each)]) for each in counts)
    return requests, failures


def _at(totals: tuple[Array, Array], second: int) -> Counts:
    return Counts(requests=int(totals[0][second]), failures=int(totals[1][second]))
