"""Percentiles out of bins are within the promised error of the exact ones."""

import math
import random
from collections import Counter

import pytest
from reelback_minisentry.stats.histogram import GROWTH, bin_of, mean, middle, percentile

PROMISED = 0.04


@pytest.mark.parametrize(
    "draw",
    [
        lambda source: source.lognormvariate(3, 1.5),
        lambda source: source.expovariate(1 / 40),
        lambda source: source.uniform(0.002, 3_599_000),
        lambda source: source.choice([1.0, 1.08, 5.0, 500.0]),
    ],
)
@pytest.mark.parametrize("share", [0.5, 0.75, 0.95, 0.99])
def test_percentiles(draw, share: float) -> None:  # type: ignore[no-untyped-def]
    source = random.Random(3)
    values = sorted(max(draw(source), 0.002) for _ in range(20_000))
    exact = values[math.ceil(share * len(values)) - 1]
    found = percentile(Counter(map(bin_of, values)), share)
    assert found == pytest.approx(exact, rel=PROMISED)


def test_every_duration_is_within_the_error_of_its_bin() -> None:
    assert math.sqrt(GROWTH) - 1 < PROMISED
    value = 0.0011
    while value < 3_600_000:
        assert middle(bin_of(value)) == pytest.approx(value, rel=PROMISED)
        value *= 1.013


def test_the_ends() -> None:
    assert bin_of(0) == bin_of(-5) == bin_of(0.0001)
    assert bin_of(1e12) == bin_of(3_600_000)
    assert percentile({}, 0.95) is None
    assert mean({}) is None
    assert mean(Counter({bin_of(10): 1, bin_of(30): 1})) == pytest.approx(20, rel=PROMISED)
