"""Does the candidate fail more than `ratio` times as often as the baseline? A test to be looked at whenever one likes.

Two pieces of evidence, both e-values: if the candidate is within the tolerated ratio, their expectation is at most 1
whenever one stops, so that the chance of ever seeing 1/alpha is at most alpha (Ville's inequality).

*Concurrent*: for each look, the likelihood of what was counted since the last one under an alternative (candidate p,
baseline q), divided by that under the closest tolerated pair (p', q'), p' = `ratio` * q'. q is what the baseline did
before the increment, p one of a few between `ratio` * q and 1; their products are mixed. For n and m requests, any
true rates x <= `ratio` * y expect a factor of at most exp(n (x - p') A + m (y - q') B), with A = (p - p') / (p' (1 -
p')) and B likewise; (p', q') being closest means n `ratio` A + m B = 0, so the exponent is never above 0. That holds
increment by increment, whatever the baseline does meanwhile: an incident that hits both is no evidence.

*History*: a Bayes factor of both rates against the best that tolerance allows (universal inference), with all that
the baseline has served, before the rollout too. It sees a coarse regression much sooner, but takes for granted that
the baseline's rate stays what it was. So it counts only while nothing says that the baseline got worse, and once the
concurrent evidence has come half of the way (1/sqrt(alpha)).

The mean of both is an e-value again: that is what is compared with 1/alpha. Evidence is kept as natural logarithms.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from reelback_operator.engine.status import Counts

# Alternatives, by how far they are from the tolerated rate (0) to all failing (1), on the scale of logarithms. Three
# find 3 %, 10 % and 25 % against 1 % within a tenth of Wald's bound; `make bench` measures it.
ALTERNATIVES = (0.17, 0.45, 0.67)
# Beta priors (failures, successes): services rarely fail, candidates may do anything.
_BASELINE_PRIOR = (0.5, 50.0)
_CANDIDATE_PRIOR = (0.5, 1.5)
# Odds at which the baseline counts as worse than its own history.
_DRIFT = math.log(10)


def extend(logs: Sequence[float], candidate: Counts, baseline: Counts, before: Counts, ratio: float) -> list[float]:
    """The log-likelihood ratio of each alternative after one more look; `logs` is empty at the first.

    `candidate` and `baseline` were counted since the last look, and neither is without requests; `before` is all that
    the baseline served until then.
    """
    failed, passed = _BASELINE_PRIOR
    q = (before.failures + failed) / (before.requests + failed + passed)
    n, m = candidate.requests, baseline.requests
    sums = []
    for log, distance in zip(logs or [0.0] * len(ALTERNATIVES), ALTERNATIVES, strict=True):
        p = min(ratio * q, 0.9) ** (1 - distance)
        nearest = _nearest_tolerated(n, n * p, m, m * q, ratio)
        alternative = _likelihood(candidate, p) + _likelihood(baseline, q)
        sums.append(log + alternative - _likelihood(candidate, nearest[0]) - _likelihood(baseline, nearest[1]))
    return sums


def pooled(candidate: Counts, baseline: Counts, ratio: float) -> float:
    """The evidence, a logarithm, that the candidate fails more than `ratio` times as often as a constant baseline."""
    alternative = _marginal(candidate, _CANDIDATE_PRIOR) + _marginal(baseline, _BASELINE_PRIOR)
    p, q = _nearest_tolerated(candidate.requests, candidate.failures, baseline.requests, baseline.failures, ratio)
    return alternative - _likelihood(candidate, p) - _likelihood(baseline, q)


def beside(
    logs: Sequence[float], candidate: Counts, baseline: Counts, history: Counts, *, ratio: float, alpha: float
) -> float:
    """The evidence, a logarithm, against a candidate that serves beside its baseline; at ln(1/alpha) it has failed.

    `logs` come from `extend`. `history` is what the baseline served before the candidate came; without requests only
    the concurrent evidence counts.
    """
    now = log_mean(logs) if logs else 0.0
    if not history.requests:
        return now
    agrees = pooled(baseline, history, 1.0) < _DRIFT
    if agrees and now >= math.log(1 / alpha) / 2:
        return log_mean([now, pooled(candidate, total(history, baseline), ratio)])
    return now - math.log(2)


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
