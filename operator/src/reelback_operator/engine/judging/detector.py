"""Does the candidate fail more than `ratio` times as often as the baseline? A test to be looked at whenever one likes.

Evidence is a product of likelihood ratios, one a look: how much likelier its counts are under an alternative than if
the candidate were as bad as is tolerated. Tolerated candidates expect factors of at most 1, so that their chance of
ever reaching 1/alpha is at most alpha (Ville's inequality). Two kinds of it have to agree:

*Steady*: the candidate's counts against `ratio` times the rate that the baseline has had, before the rollout too. It
is found anew for errors that come in bursts of each of BURSTS, and the least of these counts: failures are negative
binomial then, with so many times the variance of independent ones, which makes the first failure of a look count most
when bursts are few, and each when they are many. The baseline's rate is taken at the upper end of what its counts
allow, or as it is lately when that is more.

*Concurrent*: independent errors, each look against the closest tolerated pair of rates, whatever the baseline does
meanwhile. An incident that hits both is no evidence here. It has to come GUARD of the way: the promise of alpha is that
of the steady evidence; this one keeps it from blaming a candidate where the baseline is not what it was.

Both are found twice: with all that the baseline has served, and without what it served before the rollout, as an outage
in its history would excuse a candidate that fails as it did then. The two are mixed, most weight on the first.

A candidate may become bad at any look, so each look begins a new product. They are mixed, too, most weight on the
first; the mixture over all of them is one sum that goes on. `docs/detection.md` has what this assumes and what it
reaches. Evidence is kept as natural logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from reelback_operator.engine.model.status import Counts

# Alternatives, by how far they are from the tolerated rate (0) to all failing (1), on the scale of logarithms.
ALTERNATIVES = (0.17, 0.45, 0.67)
# Variance of failures in a look, as a multiple of that of independent ones. Errors in tens lie below 16 and above 8.
BURSTS = (1, 2, 4, 8, 16)
# How far the concurrent evidence has to come, on the scale of logarithms.
GUARD = 0.45
# The share of the mixture that knows nothing of before the rollout.
_FORGETFUL = 0.2
# The share of the mixture for regressions that begin later than the first look, and how many looks half of it spans.
_LATER, _SPAN = 0.2, 100.0
# The baseline's rate before it has been seen, as failures and successes.
_BASELINE_PRIOR = (0.5, 50.0)
_CANDIDATE_PRIOR = (0.5, 1.5)
# Roots of counts have a standard deviation of 1/2: how many of these the baseline may have been lucky.
_LUCK = 1.25
# The share of the baseline's counts that is forgotten at each look in its rate of lately.
_FORGOTTEN = 0.1
# Tolerated rates above it are taken as this: there is nothing to tell from them.
_MOST = 0.9
# How many standard deviations fewer failures than expected, so that nine cases in ten have more: those of the baseline
# and how they fall into looks are in it.
_UNLUCKY = 2.0


def extend(
    memory: Sequence[float], candidate: Counts, baseline: Counts, before: Counts, history: Counts, *, ratio: float
) -> list[float]:
    """What is remembered after one more look; `memory` is empty at the first.

    `candidate` and `baseline` were counted since the last look; `before` is all that the baseline served until then,
    `history` that of it which was before the first look. A candidate that replaced its baseline has none beside it: one
    without requests.
    """
    looks, requests, failures, *logs = memory or (0.0, 0.0, 0.0)
    requests = (1 - _FORGOTTEN) * requests + baseline.requests
    failures = (1 - _FORGOTTEN) * failures + baseline.failures
    lately = max(math.sqrt(failures) - 0.5, 0.0) ** 2 / requests if requests else 0.0
    factors = []
    for known in (before, since(before, history)):
        served = total(known, baseline)
        factors += concurrent(candidate.requests, candidate.failures, baseline, known, ratio)
        for burst in BURSTS:
            tolerated = min(ratio * max(_at_most(served, burst), lately), _MOST)
            factors += steady(candidate.requests, candidate.failures, tolerated, burst)
    begun = math.log(_to_begin(looks) - _to_begin(looks + 1))
    mixed = [_add(log, begun) for log in logs] or [begun] * len(factors)
    return [looks + 1, requests, failures, *(log + factor for log, factor in zip(mixed, factors, strict=True))]


def beside(memory: Sequence[float]) -> float:
    """The evidence, a logarithm, against a candidate that serves beside its baseline; at ln(1/alpha) it has failed."""
    return min(_evidence(memory, 0) / GUARD, alone(memory))


def alone(memory: Sequence[float]) -> float:
    """The evidence, a logarithm, against a candidate that serves in the place of its baseline."""
    return min(_evidence(memory, 1 + index) for index in range(len(BURSTS)))


def noticeable(
    memory: Sequence[float], candidate: Counts, baseline: Counts, history: Counts, *, ratio: float, alpha: float
) -> float:
    """The lowest failure rate that would have been seen in what was judged nine times in ten, infinite if none.

    `candidate` and `baseline` are what was judged of both in the looks of `memory`, `history` what the baseline served
    before; where the candidate replaced it, there is no `baseline`. Errors are taken as independent and evenly spread.
    """
    if not memory:
        return math.inf
    looks, n, limit = memory[0], candidate.requests, math.log(1 / alpha) - math.log(1 - _LATER)
    references = total(history, baseline), baseline

    def seen(rate: float) -> bool:
        failures = rate * n - _UNLUCKY * math.sqrt(rate * (1 - rate) * n)
        if failures < 1:
            return False
        hit = min(failures, looks)  # looks that have a failure
        evidence = []
        if baseline.requests:
            logs = [log_mean(concurrent(n, failures, baseline, known, ratio)) for known in references]
            evidence.append(_mixed(*logs) / GUARD)
        for burst in BURSTS:
            logs = []
            for known in references:
                tolerated = min(ratio * _at_most(known, burst), _MOST)
                with_one = steady(n / looks, failures / hit, tolerated, burst)
                without = steady(n / looks, 0.0, tolerated, burst)
                looked = zip(with_one, without, strict=True)
                logs.append(log_mean([hit * one + (looks - hit) * none for one, none in looked]))
            evidence.append(_mixed(*logs))
        return min(evidence) >= limit

    if not seen(1.0):
        return math.inf
    low, high = 0.0, 1.0
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if seen(middle) else (middle, high)
    return high


def pooled(candidate: Counts, baseline: Counts, ratio: float) -> float:
    """The evidence, a logarithm, that one total fails more than `ratio` times as often as another, looked at once.

    A Bayes factor of both rates against the best that tolerance allows, for independent errors.
    """
    alternative = _marginal(candidate, _CANDIDATE_PRIOR) + _marginal(baseline, _BASELINE_PRIOR)
    p, q = _nearest_tolerated(candidate.requests, candidate.failures, baseline.requests, baseline.failures, ratio)
    return alternative - _likelihood(candidate, p) - _likelihood(baseline, q)


def steady(n: float, failed: float, tolerated: float, burst: int) -> list[float]:
    """The factors of a look at a candidate whose failures come in bursts, by alternative."""
    factors = []
    for distance in ALTERNATIVES:
        p = tolerated ** (1 - distance)
        if burst == 1:
            factors.append(failed * math.log(p / tolerated) + (n - failed) * math.log((1 - p) / (1 - tolerated)))
            continue
        # Shapes of negative binomial counts with n p and n `tolerated` as means, `burst` times that as variances.
        a, b = n * p / (burst - 1), n * tolerated / (burst - 1)
        grown = math.lgamma(failed + a) - math.lgamma(a) - math.lgamma(failed + b) + math.lgamma(b) if failed else 0.0
        factors.append(grown - (a - b) * math.log(burst))
    return factors


def concurrent(n: float, failed: float, baseline: Counts, before: Counts, ratio: float) -> list[float]:
    """The factors of a look at both, by alternative: candidate p, baseline q, against the closest tolerated pair."""
    if not (n and baseline.requests):
        return [0.0] * len(ALTERNATIVES)
    base_failed, passed = _BASELINE_PRIOR
    q = (before.failures + base_failed) / (before.requests + base_failed + passed)
    m, factors = baseline.requests, []
    for distance in ALTERNATIVES:
        p = min(ratio * q, _MOST) ** (1 - distance)
        x, y = _nearest_tolerated(n, n * p, m, m * q, ratio)
        of_candidate = failed * math.log(p / x) + (n - failed) * math.log((1 - p) / (1 - x))
        factors.append(of_candidate + _likelihood(baseline, q) - _likelihood(baseline, y))
    return factors


def log_mean(logs: Sequence[float]) -> float:
    """The mean of e-values, an e-value itself, all as logarithms."""
    top = max(logs)
    return top + math.log(math.fsum(math.exp(log - top) for log in logs) / len(logs))


def since(now: Counts, then: Counts) -> Counts:
    """What was counted between two looks."""
    return Counts(requests=now.requests - then.requests, failures=now.failures - then.failures)


def total(first: Counts, second: Counts) -> Counts:
    """Both together."""
    return Counts(requests=first.requests + second.requests, failures=first.failures + second.failures)


def _evidence(memory: Sequence[float], kind: int) -> float:
    """The mixture of one kind, with 1 for what is yet to begin: 0 is concurrent, then come the bursts, steady."""
    if not memory:
        return 0.0
    size, kinds = len(ALTERNATIVES), 1 + len(BURSTS)
    begun = [log_mean(memory[3 + size * each : 3 + size * (each + 1)]) for each in (kind, kinds + kind)]
    return _add(_mixed(*begun), math.log(_to_begin(memory[0])))


def _mixed(knowing: float, forgetful: float) -> float:
    """The evidence with the baseline's history and without it as one."""
    return _add(knowing + math.log(1 - _FORGETFUL), forgetful + math.log(_FORGETFUL))


def _to_begin(looks: float) -> float:
    """The weight of the products that begin after so many looks."""
    return _LATER * _SPAN / (_SPAN + looks - 1) if looks else 1.0


def _at_most(served: Counts, burst: int) -> float:
    """The rate that a baseline has at most, as far as luck goes, when its errors come in bursts."""
    failures = (math.sqrt(served.failures) + _LUCK * math.sqrt(burst) / 2) ** 2
    return failures / served.requests if served.requests else math.inf


def _nearest_tolerated(n: float, failed: float, m: float, base_failed: float, ratio: float) -> tuple[float, float]:
    """The rates that make `failed` of n and `base_failed` of m likeliest, the first at most `ratio` times the second.

    Counts may be expected ones, with fractions: then it is the tolerated pair closest to them (in relative entropy).
    """
    if failed * m <= ratio * base_failed * n:
        return failed / max(n, 1), base_failed / max(m, 1)
    # On the border, where the derivative of the likelihood by the second rate is a quadratic.
    failures = failed + base_failed
    a = ratio * (n + m)
    b = failures * (1 + ratio) + ratio * (n - failed) + m - base_failed
    rate = (b - math.sqrt(b * b - 4 * a * failures)) / (2 * a)
    return ratio * rate, rate


def _likelihood(counts: Counts, rate: float) -> float:
    passed = counts.requests - counts.failures
    failed = counts.failures * math.log(rate) if counts.failures else 0.0
    return failed + (passed * math.log1p(-rate) if passed else 0.0)


def _marginal(counts: Counts, prior: tuple[float, float]) -> float:
    failed, passed = prior
    return _log_beta(failed + counts.failures, passed + counts.requests - counts.failures) - _log_beta(failed, passed)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _add(first: float, second: float) -> float:
    """The sum of two values, all as logarithms."""
    top = max(first, second)
    return top + math.log1p(math.exp(min(first, second) - top))
