"""The sequential test: its figures by hand, what it promises about healthy releases, and how soon it sees bad ones."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from reelback_operator.engine import detector
from reelback_operator.engine.status import Counts

RATIO, ALPHA = 1.5, 0.001
LIMIT = math.log(1 / ALPHA)


def counts(requests: int, failures: int) -> Counts:
    return Counts(requests=requests, failures=failures)


def decided(
    rng: np.random.Generator,
    rates: tuple[float, float],
    rps: tuple[int, int] = (10, 10),
    history: Counts | None = None,
    seconds: int = 180,
) -> int | None:
    """The second at which a candidate with the first of two failure rates fails, looked at every 2 s."""
    before = history or Counts()
    failed = [np.cumsum(rng.binomial(n, rate, seconds)) for n, rate in zip(rps, rates, strict=True)]
    looks = [
        tuple(counts(n * second, int(sums[second - 1]) if second else 0) for n, sums in zip(rps, failed, strict=True))
        for second in range(0, seconds + 1, 2)
    ]
    logs: list[float] = []
    for look, (then, now) in enumerate(pairwise(looks), 1):
        increment = [detector.since(new, old) for new, old in zip(now, then, strict=True)]
        logs = detector.extend(logs, increment[0], increment[1], detector.total(before, then[1]), RATIO)
        if detector.beside(logs, now[0], now[1], before, ratio=RATIO, alpha=ALPHA) >= LIMIT:
            return 2 * look
    return None


def false_decisions(seed: int, rates: tuple[float, float], runs: int, **stream: object) -> int:
    rng = np.random.default_rng(seed)
    return sum(decided(rng, rates, **stream) is not None for _ in range(runs))  # type: ignore[arg-type]


def test_an_increment_by_hand() -> None:
    """One request each, the candidate's failed, before that 1 of 99 of the baseline's."""
    # With its prior the baseline is at q = (1 + 0.5) / (99 + 50.5), and the second alternative at p.
    q = 1.5 / 149.5
    p = (1.5 * q) ** (1 - 0.45)
    # The closest tolerated pair solves (p + q) / y - 1.5 (1 - p) / (1 - 1.5 y) - (1 - q) / (1 - y) = 0.
    a, b, c = 3.0, -((p + q) * 2.5 + 1.5 * (1 - p) + 1 - q), p + q
    y = (-b - math.sqrt(b * b - 4 * a * c)) / (2 * a)
    by_hand = math.log(p / (1.5 * y)) + math.log((1 - q) / (1 - y))
    assert detector.extend([], counts(1, 1), counts(1, 0), counts(99, 1), RATIO)[1] == pytest.approx(by_hand, abs=1e-12)


def test_the_factor_of_an_increment_expects_at_most_one_whatever_the_rates() -> None:
    """The promise itself, summed over all outcomes: 6 requests of the candidate, 4 of the baseline."""
    n, m = 6, 4
    for y in (0.0, 0.01, 0.2, 0.6):
        for share in (1.0, 0.5):
            x = min(1.5 * y * share, 1.0)
            expected = [0.0] * len(detector.ALTERNATIVES)
            for e in range(n + 1):
                for f in range(m + 1):
                    chance = math.comb(n, e) * x**e * (1 - x) ** (n - e) * math.comb(m, f) * y**f * (1 - y) ** (m - f)
                    logs = detector.extend([], counts(n, e), counts(m, f), counts(200, 2), RATIO)
                    expected = [sum_ + chance * math.exp(log) for sum_, log in zip(expected, logs, strict=True)]
            assert max(expected) <= 1 + 1e-12, (x, y)


def test_the_bayes_factor_by_hand() -> None:
    """Candidate 2 of 2, baseline 0 of 2, nothing tolerated: Beta functions above, the best common rate 1/2 below."""

    def beta(a: float, b: float) -> float:
        return math.gamma(a) * math.gamma(b) / math.gamma(a + b)

    above = beta(2.5, 1.5) / beta(0.5, 1.5) * beta(0.5, 52) / beta(0.5, 50)
    assert detector.pooled(counts(2, 2), counts(2, 0), 1.0) == pytest.approx(math.log(above / 0.5**4))


def test_looks_add_up() -> None:
    first = detector.extend([], counts(20, 5), counts(20, 0), counts(0, 0), RATIO)
    both = detector.extend(first, counts(20, 4), counts(20, 1), counts(20, 0), RATIO)
    alone = detector.extend([], counts(20, 4), counts(20, 1), counts(20, 0), RATIO)
    assert both == pytest.approx([a + b for a, b in zip(first, alone, strict=True)])


def test_few_samples_decide_nothing() -> None:
    for failures in range(4):
        logs = detector.extend([], counts(3, failures), counts(3, 0), counts(200, 0), RATIO)
        assert (
            detector.beside(logs, counts(3, failures), counts(3, 0), counts(200, 0), ratio=RATIO, alpha=ALPHA) < LIMIT
        )
    assert detector.beside([], Counts(), Counts(), Counts(), ratio=RATIO, alpha=ALPHA) == 0


def test_extreme_counts_are_no_error() -> None:
    for n, m, h in ((1, 1, 0), (1, 300, 10_000), (500, 1, 0)):
        for e, f in ((0, 0), (n, 0), (0, m), (n, m)):
            for history in (counts(h, 0), counts(h, h)):
                logs = detector.extend([], counts(n, e), counts(m, f), history, RATIO)
                value = detector.beside(logs, counts(n, e), counts(m, f), history, ratio=RATIO, alpha=ALPHA)
                assert math.isfinite(value)


@pytest.mark.parametrize(
    ("seed", "rates", "rps"),
    [
        (1, (0.01, 0.01), (10, 10)),
        (2, (0.0, 0.0), (10, 10)),
        (3, (0.015, 0.01), (10, 10)),
        (4, (0.3, 0.2), (10, 10)),
        (5, (0.045, 0.03), (2, 18)),
        (6, (0.045, 0.03), (18, 2)),
    ],
)
def test_healthy_candidates_are_not_blamed(seed: int, rates: tuple[float, float], rps: tuple[int, int]) -> None:
    """Also exactly at the tolerated ratio, at other shares of traffic, and with a history."""
    assert false_decisions(seed, rates, 300, rps=rps) <= 1
    served = sum(rps) * 10
    assert false_decisions(seed, rates, 300, rps=rps, history=counts(served, round(served * rates[1]))) <= 1


def test_an_incident_of_both_is_not_blamed_on_the_candidate() -> None:
    """Beyond the promise of alpha: history speaks for a moment against both, the concurrent evidence must not."""
    assert false_decisions(7, (0.25, 0.25), 300, history=counts(1200, 12), seconds=60) <= 2
    assert false_decisions(8, (0.05, 0.05), 300, history=counts(1200, 2), seconds=60) <= 5
    assert false_decisions(9, (0.25, 0.25), 300, seconds=60) <= 1


def test_a_bad_candidate_is_found_in_time() -> None:
    rng = np.random.default_rng(9)
    alone = [decided(rng, (0.25, 0.01)) or math.inf for _ in range(200)]
    known = [decided(rng, (0.25, 0.01), history=counts(200, 2)) or math.inf for _ in range(200)]
    silent = [decided(rng, (0.25, 0.0), history=counts(200, 0)) or math.inf for _ in range(200)]
    assert np.median(alone) <= 8
    assert np.median(known) <= 5
    assert np.median(silent) <= 4
    small = [decided(rng, (0.25, 0.01), rps=(2, 18)) or math.inf for _ in range(100)]
    assert np.median(small) <= 30
