"""How soon the detector finds a bad release, and how often it blames a healthy one: simulated streams, one JSON object.

20 requests a second, half of them to the candidate, looked at every 2 s as the default scenario does. Seconds count
from the candidate's first failed request to the look that decides. `live` is the last run of a scenario here.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from reelback_operator.engine import detector
from reelback_operator.engine.status import Counts

RPS = 10  # each of candidate and baseline
INTERVAL = 2
HISTORY = 10  # seconds, as in the flagship scenario
RATIO, ALPHA = 1.5, 0.001
BASELINE = 0.01
RUNS = 800
HEALTHY_RUNS = 4000
DEADLINE = 180


def decide(rng: np.random.Generator, baseline: float, candidate: float, history: int, limit: int) -> float | None:
    """One rollout; seconds from the first failed request to the decision, None when there is none within `limit`.

    `baseline` and `candidate` are failure rates; `history` is seconds of baseline before the rollout, at BASELINE.
    """
    before = Counts(requests=2 * RPS * history, failures=int(rng.binomial(2 * RPS * history, BASELINE)))
    bad = np.cumsum(rng.binomial(1, candidate, limit * RPS))
    base = np.cumsum(rng.binomial(RPS, baseline, limit))
    logs: list[float] = []
    seen = Counts(), Counts()
    for second in range(int(rng.integers(1, INTERVAL + 1)), limit + 1, INTERVAL):
        now = (
            Counts(requests=second * RPS, failures=int(bad[second * RPS - 1])),
            Counts(requests=second * RPS, failures=int(base[second - 1])),
        )
        increment = detector.since(now[0], seen[0]), detector.since(now[1], seen[1])
        logs = detector.extend(logs, *increment, detector.total(before, seen[1]), RATIO)
        seen = now
        if detector.beside(logs, *now, before, ratio=RATIO, alpha=ALPHA) >= math.log(1 / ALPHA):
            return second - float(np.argmax(bad > 0)) / RPS
    return None


def wald(candidate: float) -> float:
    """The least mean time of any test of the concurrent streams at this alpha, in seconds (Wald's bound)."""
    share, tolerated = candidate / (candidate + BASELINE), RATIO / (1 + RATIO)
    split = share * math.log(share / tolerated) + (1 - share) * math.log((1 - share) / (1 - tolerated))
    return math.log(1 / ALPHA) / (RPS * (candidate + BASELINE) * split)


def found(seed: int, candidate: float, history: int) -> dict[str, Any]:
    """Median and 95th percentile of the seconds to a decision, beside the bound."""
    rng = np.random.default_rng(seed)
    limit = math.ceil(8 * wald(candidate))
    runs = [decide(rng, BASELINE, candidate, history, limit) for _ in range(RUNS)]
    seconds = [math.inf if run is None else run for run in runs]
    median, p95 = (float(np.percentile(seconds, share, method="higher")) for share in (50, 95))
    bound = wald(candidate)
    return {
        "medianSeconds": round(median, 2),
        "p95Seconds": round(p95, 2),
        "waldSeconds": round(bound, 2),
        "medianToWald": round(median / bound, 3),
        "runs": RUNS,
    }


def blamed(seed: int, baseline: float, ratio: float, history: int) -> float:
    """The share of rollouts within DEADLINE that are blamed though the candidate is at `ratio` of the baseline."""
    rng = np.random.default_rng(seed)
    runs = (decide(rng, baseline, ratio * baseline, history, DEADLINE) for _ in range(HEALTHY_RUNS))
    return sum(run is not None for run in runs) / HEALTHY_RUNS


def live() -> dict[str, Any] | None:
    """Verdict and durations of the last scenario that ran in this folder."""
    report = Path(".reelback/last-run.json")
    if not report.exists():
        return None
    status = json.loads(report.read_text())["status"]
    return {key: status.get(key) for key in ("verdict", "message", "durations")}


def main() -> None:
    """Print the figures."""
    cases = {"1% -> 25%": 0.25, "1% -> 10%": 0.1, "1% -> 3%": 0.03}
    figures = {
        "requestsPerSecond": {"candidate": RPS, "baseline": RPS},
        "alpha": ALPHA,
        "minRatio": RATIO,
        "intervalSeconds": INTERVAL,
        "concurrentOnly": {name: found(1, rate, 0) for name, rate in cases.items()},
        f"withHistory{HISTORY}s": {name: found(2, rate, HISTORY) for name, rate in cases.items()},
        "withHistory60s": {name: found(3, rate, 60) for name, rate in cases.items()},
        "falseDecisions": {
            "runs": HEALTHY_RUNS,
            "runSeconds": DEADLINE,
            "healthy": blamed(4, BASELINE, 1, HISTORY),
            "atToleratedRatio": blamed(5, BASELINE, RATIO, HISTORY),
            "atToleratedRatioConcurrentOnly": blamed(6, BASELINE, RATIO, 0),
        },
        # Not promised: an incident that begins with the rollout, so that the history is wrong about both.
        "falseDecisionsInAnIncidentOfBoth": {
            "1% -> 25%": blamed(7, 0.25, 1, HISTORY),
            "1% -> 5%": blamed(8, 0.05, 1, HISTORY),
            "1% -> 25%, candidate at the tolerated ratio": blamed(9, 0.25, RATIO, HISTORY),
        },
        "live": live(),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
