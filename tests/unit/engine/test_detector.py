"""The sequential test: its figures by hand, what it promises about healthy releases, and how soon it sees bad ones."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
import pytest
from reelback_operator.engine.judging import detector
from reelback_operator.engine.model.status import Counts

RATIO, ALPHA = 1.5, 0.001
LIMIT = math.log(1 / ALPHA)
NOBODY = Counts()


def counts(requests: int, failures: int) -> Counts:
    return Counts(requests=requests, failures=failures)


def watched(looks: Sequence[tuple[Counts, Counts]], history: Counts) -> Iterator[list[float]]:
    """What is remembered after each look at candidate and baseline."""
    memory: list[float] = []
    before = history
    for candidate, baseline in looks:
        memory = detector.extend(memory, candidate, baseline, before, history, ratio=RATIO)
        before = detector.total(before, baseline)
        yield memory


def decided(
    rng: np.random.Generator,
    rates: tuple[float, float],
    *,
    rps: tuple[int, int] = (10, 10),
    history: Counts = NOBODY,
    burst: int = 1,
    seconds: int = 180,
) -> int | None:
    """The second at which a candidate with the first of two failure rates fails, looked at every 2 s."""
    failed = [burst * rng.poisson(2 * n * rate / burst, seconds // 2) for n, rate in zip(rps, rates, strict=True)]
    looks = [
        tuple(counts(max(2 * n, int(each)), int(each)) for n, each in zip(rps, both, strict=True))
        for both in zip(*failed, strict=True)
    ]
    for look, memory in enumerate(watched([(each[0], each[1]) for each in looks], history), 1):
        if detector.beside(memory) >= LIMIT:
            return 2 * look
    return None


def false_decisions(seed: int, rates: tuple[float, float], runs: int, **stream: object) -> int:
    rng = np.random.default_rng(seed)
    return sum(decided(rng, rates, **stream) is not None for _ in range(runs))  # type: ignore[arg-type]


def binomial(requests: int, failures: int, rate: float) -> float:
    return math.comb(requests, failures) * rate**failures * (1 - rate) ** (requests - failures)


def bursty(mean: float, failures: int, burst: int) -> float:
    """The chance of so many failures in a look: negative binomial, with `burst` times the mean as variance."""
    shape = mean / (burst - 1)
    log = math.lgamma(failures + shape) - math.lgamma(shape) - math.lgamma(failures + 1)
    return math.exp(log - shape * math.log(burst) + failures * math.log(1 - 1 / burst))


def test_a_look_at_both_by_hand() -> None:
    """One request each, the candidate's failed, before that 1 of 99 of the baseline's."""
    # With its prior the baseline is at q = (1 + 0.5) / (99 + 50.5), and the second alternative at p.
    q = 1.5 / 149.5
    p = (1.5 * q) ** (1 - 0.45)
    # The closest tolerated pair solves (p + q) / y - 1.5 (1 - p) / (1 - 1.5 y) - (1 - q) / (1 - y) = 0.
    a, b, c = 3.0, -((p + q) * 2.5 + 1.5 * (1 - p) + 1 - q), p + q
    y = (-b - math.sqrt(b * b - 4 * a * c)) / (2 * a)
    by_hand = math.log(p / (1.5 * y)) + math.log((1 - q) / (1 - y))
    factors = detector.concurrent(1, 1, counts(1, 0), counts(99, 1), RATIO)
    assert factors[1] == pytest.approx(by_hand, abs=1e-12)


@pytest.mark.parametrize("burst", [each for each in detector.BURSTS if each > 1])
def test_a_look_at_the_candidate_is_a_ratio_of_likelihoods(burst: int) -> None:
    tolerated = 0.03
    for failures in (0, 1, 5, 17):
        factors = detector.steady(20, failures, tolerated, burst)
        for factor, distance in zip(factors, detector.ALTERNATIVES, strict=True):
            p = tolerated ** (1 - distance)
            by_hand = bursty(20 * p, failures, burst) / bursty(20 * tolerated, failures, burst)
            assert math.exp(factor) == pytest.approx(by_hand)


def test_a_burst_counts_little_more_than_its_first_failure() -> None:
    """Where bursts are few, ten failures in one look are one thing that happened, in ten looks they are ten."""
    independent, in_bursts = detector.steady(20, 10, 0.015, 1)[1], detector.steady(20, 10, 0.015, 16)[1]
    assert independent > 15
    assert in_bursts < detector.steady(20, 1, 0.015, 16)[1] + 1


def test_a_look_at_both_expects_at_most_one_whatever_the_rates() -> None:
    """The promise itself, summed over all outcomes: 6 requests of the candidate, 4 of the baseline."""
    n, m = 6, 4
    for y in (0.0, 0.01, 0.2, 0.6):
        for share in (1.0, 0.5):
            x = min(1.5 * y * share, 1.0)
            expected = np.zeros(len(detector.ALTERNATIVES))
            for e, f in product(range(n + 1), range(m + 1)):
                factors = detector.concurrent(n, e, counts(m, f), counts(200, 2), RATIO)
                expected += binomial(n, e, x) * binomial(m, f, y) * np.exp(factors)
            assert max(expected) <= 1 + 1e-12, (x, y)


@pytest.mark.parametrize("burst", detector.BURSTS)
@pytest.mark.parametrize("tolerated", [0.0001, 0.015, 0.3, 0.9])
def test_a_look_at_the_candidate_expects_one_where_it_is_as_bad_as_tolerated_and_else_less(
    burst: int, tolerated: float
) -> None:
    n = 20
    for share in (1.0, 0.7, 0.1):
        rate, expected = tolerated * share, np.zeros(len(detector.ALTERNATIVES))
        for failures in range(n + 1 if burst == 1 else 2000):
            chance = binomial(n, failures, rate) if burst == 1 else bursty(n * rate, failures, burst)
            expected += chance * np.exp(detector.steady(n, failures, tolerated, burst))
        assert max(expected) <= 1 + 1e-9
        if share == 1:
            assert min(expected) == pytest.approx(1)


@pytest.mark.parametrize("stop", [-1.0, 0.1, 0.5, 2.0])
def test_the_whole_expects_at_most_one_whenever_one_stops(stop: float) -> None:
    """All outcomes of five looks at two requests, at the tolerated rate; one stops above `stop`."""
    history, looks, n = counts(100, 10), 5, 2
    rate, expected = RATIO * 0.1, 0.0
    for outcome in product(range(n + 1), repeat=looks):
        chance = math.prod(binomial(n, failures, rate) for failures in outcome)
        evidence = 0.0
        for memory in watched([(counts(n, failures), NOBODY) for failures in outcome], history):
            evidence = detector.alone(memory)
            if evidence > stop:
                break
        expected += chance * math.exp(evidence)
    assert expected <= 1


def test_more_failures_are_never_less_evidence() -> None:
    history = counts(600, 6)
    start = [(counts(20, 1), counts(20, 0))] * 3
    for end in (detector.alone, detector.beside):
        of_candidate = [end(list(watched([*start, (counts(20, x), counts(20, 1))], history))[-1]) for x in range(21)]
        assert of_candidate == sorted(of_candidate)
        of_baseline = [end(list(watched([*start, (counts(20, 9), counts(20, y))], history))[-1]) for y in range(21)]
        assert of_baseline == sorted(of_baseline, reverse=True)


def test_a_longer_history_with_the_same_rate_is_more_evidence() -> None:
    looks = [(counts(20, 5), NOBODY)] * 4
    evidence = [detector.alone(list(watched(looks, counts(n, n // 100)))[-1]) for n in (0, 100, 1000, 10_000)]
    assert evidence == sorted(evidence)
    assert evidence[0] <= 0 < LIMIT < evidence[-1]


def test_the_memory_is_small_and_can_be_written_down() -> None:
    memory: list[float] = []
    for failures in (0, 3, 0, 20) * 250:
        history = counts(1000, 10)
        memory = detector.extend(memory, counts(20, failures), counts(20, 0), history, history, ratio=RATIO)
        assert json.loads(json.dumps(memory, allow_nan=False)) == memory
    assert len(memory) == 39


def test_few_samples_decide_nothing() -> None:
    for failures in range(4):
        memory = detector.extend([], counts(3, failures), counts(3, 0), counts(200, 0), counts(200, 0), ratio=RATIO)
        assert detector.beside(memory) < LIMIT
        assert detector.alone(memory) < LIMIT
    assert detector.beside([]) == detector.alone([]) == 0


def test_one_burst_decides_nothing_however_long() -> None:
    """Everything of two seconds failed, and nothing before or after: that is one thing that happened."""
    quiet = (counts(20, 0), counts(20, 0))
    memories = watched([*[quiet] * 30, (counts(20, 20), counts(20, 0)), *[quiet] * 30], counts(12_000, 24))
    assert max(map(detector.beside, memories)) < LIMIT


def test_extreme_counts_are_no_error() -> None:
    for n, m, h in ((0, 3, 5), (1, 1, 0), (1, 300, 10_000), (500, 1, 0), (3, 0, 0), (3, 0, 5)):
        for e, f in product((0, n), (0, m)):
            for history in (counts(h, 0), counts(h, h)):
                memory = detector.extend([], counts(n, e), counts(m, f), history, history, ratio=RATIO)
                assert math.isfinite(detector.beside(memory))
                assert math.isfinite(detector.alone(memory))


def test_a_regression_after_ten_minutes_of_health_is_found_soon() -> None:
    healthy, bad, history = (counts(20, 0), counts(20, 0)), (counts(20, 2), counts(20, 0)), counts(12_000, 120)

    def looks_until_found(before: int) -> int:
        memories = watched([*[healthy] * before, *[bad] * 60], history)
        return next(look for look, memory in enumerate(memories, 1) if detector.beside(memory) >= LIMIT) - before

    early, late = looks_until_found(0), looks_until_found(300)
    assert early <= late <= 3 * early


def test_an_outage_in_the_history_excuses_no_candidate() -> None:
    """Ten minutes with 9 % of failures, none since; the candidate fails 16 %."""
    rng = np.random.default_rng(9)
    found = [decided(rng, (0.16, 0.0), rps=(8, 8), history=counts(5000, 450)) for _ in range(100)]
    seconds = [math.inf if each is None else each for each in found]
    assert np.median(seconds) <= 40
    assert sum(map(math.isfinite, seconds)) >= 98


def test_what_would_have_been_noticed() -> None:
    looks = 90
    memory = list(watched([(counts(20, 0), counts(20, 0))] * looks, counts(12_000, 120)))[-1]

    def noticeable(candidate: int, baseline: Counts, history: Counts) -> float:
        return detector.noticeable(memory, counts(candidate, 0), baseline, history, ratio=RATIO, alpha=ALPHA)

    much = noticeable(1800, counts(1800, 18), counts(12_000, 120))
    assert 0.02 < much < 0.05
    assert much < noticeable(900, counts(1800, 18), counts(12_000, 120)) < 0.1
    assert much < noticeable(1800, counts(1800, 90), counts(12_000, 600))
    assert noticeable(2, counts(1800, 18), counts(12_000, 120)) == math.inf
    # In the place of a baseline that is not known, or as good as not.
    assert noticeable(1800, NOBODY, NOBODY) == math.inf
    assert noticeable(1800, NOBODY, counts(10, 0)) == math.inf
    assert 0.01 < noticeable(1800, NOBODY, counts(12_000, 120)) < 0.05
    assert detector.noticeable([], NOBODY, NOBODY, NOBODY, ratio=RATIO, alpha=ALPHA) == math.inf


def test_a_candidate_that_fails_as_often_as_noticeable_is_found() -> None:
    """Evenly spread, and a tenth above, for nine in ten cases are found only when the unlucky ones are."""
    looks, history, baseline = 90, counts(120_000, 1200), counts(200, 2)
    memory = list(watched([(counts(200, 2), baseline)] * looks, history))[-1]
    rate = detector.noticeable(
        memory, counts(200 * looks, 2 * looks), counts(200 * looks, 2 * looks), history, ratio=RATIO, alpha=ALPHA
    )
    bad = list(watched([(counts(200, math.ceil(200 * rate)), baseline)] * looks, history))[-1]
    tolerable = list(watched([(counts(200, math.floor(200 * rate * 0.75)), baseline)] * looks, history))[-1]
    assert detector.beside(tolerable) < LIMIT <= detector.beside(bad)


def test_the_bayes_factor_by_hand() -> None:
    """Candidate 2 of 2, baseline 0 of 2, nothing tolerated: Beta functions above, the best common rate 1/2 below."""

    def beta(a: float, b: float) -> float:
        return math.gamma(a) * math.gamma(b) / math.gamma(a + b)

    above = beta(2.5, 1.5) / beta(0.5, 1.5) * beta(0.5, 52) / beta(0.5, 50)
    assert detector.pooled(counts(2, 2), counts(2, 0), 1.0) == pytest.approx(math.log(above / 0.5**4))


@pytest.mark.parametrize("burst", [1, 5, 10])
@pytest.mark.parametrize(
    ("seed", "rates", "rps"),
    [
        (1, (0.01, 0.01), (10, 10)),
        (2, (0.0, 0.0), (10, 10)),
        (3, (0.015, 0.01), (10, 10)),
        (4, (0.2, 0.2), (10, 10)),
        (5, (0.045, 0.03), (2, 18)),
        (6, (0.045, 0.03), (18, 2)),
    ],
)
def test_healthy_candidates_are_not_blamed(
    seed: int, rates: tuple[float, float], rps: tuple[int, int], burst: int
) -> None:
    """Also exactly at the tolerated ratio, at other shares of traffic, and when errors come in bursts."""
    served = sum(rps) * 600
    history = counts(served, round(served * rates[1]))
    assert false_decisions(seed, rates, 100, rps=rps, burst=burst, history=history) <= 1


def test_an_incident_of_both_is_not_blamed_on_the_candidate() -> None:
    """It begins with the rollout, so that the history is wrong about both."""
    assert false_decisions(7, (0.25, 0.25), 200, history=counts(12_000, 120), seconds=60) <= 1
    assert false_decisions(8, (0.05, 0.05), 200, history=counts(12_000, 24), seconds=60) <= 2
    # Not promised: its errors come in bursts, so that neighbours are lucky. What the baseline does lately counts.
    assert false_decisions(9, (0.25, 0.25), 100, history=counts(12_000, 120), burst=5, seconds=60) <= 10


def test_a_bad_candidate_is_found_in_time() -> None:
    rng = np.random.default_rng(9)
    known = [decided(rng, (0.25, 0.01), history=counts(12_000, 120)) or math.inf for _ in range(100)]
    silent = [decided(rng, (0.25, 0.0), history=counts(12_000, 0)) or math.inf for _ in range(100)]
    bursts = [decided(rng, (0.25, 0.01), history=counts(12_000, 120), burst=5) or math.inf for _ in range(100)]
    assert np.median(known) <= 8
    assert np.median(silent) <= 6
    assert np.median(bursts) <= 30
