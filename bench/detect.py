"""How often the detector blames a healthy release, and how soon it finds a bad one, in simulated rollouts.

Where nothing else is said, 20 requests a second arrive, half of them at the candidate, 1 % fail, the baseline has
served for 10 minutes before, and a look is taken every 2 s. Seconds count from when the candidate began to be bad to
the look that decides.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing import Pool
from multiprocessing.pool import Pool as Processes
from pathlib import Path
from typing import Any

import numpy as np
from reelback_operator.engine.judging import detector
from reelback_operator.engine.model.status import Counts

from bench.rules import Rule, Sequential, Threshold, fixed_horizon
from bench.streams import World, draw

OURS = Sequential()
# At most 5 % may fail: the third failed measurement is one too many for the one, the fifth for the other.
RULES: Mapping[str, Rule] = {
    "ours": OURS,
    "argoLike": Threshold(interval=5, times=3),
    "flaggerLike": Threshold(interval=10, times=5),
    "fixedHorizon60s": fixed_horizon,
}
HEALTHY_RUNS = 2000
BAD_RUNS = 400
BASE = World().base
BAD_RATES = (0.25, 0.1, 0.05, 0.03)

Found = list[tuple[int | None, int]]
"""The seconds of decisions, and how many of the candidate's requests had failed until each."""


def healthy() -> dict[str, World]:
    """Worlds in which the promise of alpha holds."""
    worlds = {}
    for burst in (1, 5, 10):
        named = f"bursts of {burst}, " if burst > 1 else ""
        for base in (0.0, 0.001, 0.01, 0.05, 0.2):
            worlds[f"{named}errors {100 * base:g} %"] = World(base=base, burst=burst)
    for burst in (1, 10):
        named = f"bursts of {burst}, " if burst > 1 else ""
        for rps in (0.2, 2.0, 500.0):
            worlds[f"{named}{rps:g} requests/s"] = World(rps=rps, burst=burst)
        for share in (0.01, 0.1):
            worlds[f"{named}{100 * share:g} % of the traffic"] = World(share=share, burst=burst)
        worlds[f"{named}10 % sampled"] = World(sampling=0.1, burst=burst)
        worlds[f"{named}10 % sampled, failures kept"] = World(sampling=0.1, kept=True, burst=burst)
        worlds[f"{named}30 min"] = World(seconds=1800, burst=burst)
        worlds[f"{named}an outage to 25 % in the history"] = World(before=0.25, burst=burst)
        for base in (0.01, 0.2):
            errors = f"errors {100 * base:g} %"
            worlds[f"{named}{errors}, candidate at the tolerated ratio"] = World(base=base, ratio=1.5, burst=burst)
            worlds[f"{named}{errors}, candidate at the tolerated ratio, 10 % sampled, failures kept"] = World(
                base=base, ratio=1.5, burst=burst, sampling=0.1, kept=True
            )
            worlds[f"{named}{errors}, history of 10 s"] = World(base=base, history=10, burst=burst)
            worlds[f"{named}{errors}, no history"] = World(base=base, history=0, burst=burst)
    worlds["an incident of both, 1 % -> 25 %"] = World(incident=0.25)
    worlds["an incident of both, 1 % -> 5 %"] = World(incident=0.05)
    worlds["an incident of both, 1 % -> 25 %, 30 min"] = World(incident=0.25, incident_from=900, seconds=1800)
    return worlds


def broken() -> dict[str, World]:
    """Healthy candidates in worlds that are not what the test assumes."""
    incident = World(incident=0.25)
    return {
        "an incident of both, 1 % -> 25 %, bursts of 5": replace(incident, burst=5),
        "an incident of both, 1 % -> 25 %, bursts of 10": replace(incident, burst=10),
        "an incident of both, 1 % -> 25 %, candidate at the tolerated ratio": replace(incident, ratio=1.5),
        "an incident of both, 1 % -> 25 %, seen in the baseline 2 s late": replace(incident, late=2),
        "an incident of both, 1 % -> 25 %, seen in the baseline 5 s late": replace(incident, late=5),
        "an incident of both, 1 % -> 25 %, seen in the baseline 20 s late": replace(incident, late=20),
        "no incident, the baseline is seen 60 s late": World(late=60),
        "an incident of both, 0.1 % -> 2 %": World(base=0.001, incident=0.02),
        "bursts of 20": World(burst=20),
        "bursts of 40": World(burst=40),
        "10 in a row, 10 requests/s each": World(burst=10, in_a_row=True),
        "5 in a row, 1 request/s each": World(rps=2, burst=5, in_a_row=True),
        "10 in a row, 1 request/s each": World(rps=2, burst=10, in_a_row=True),
        "bursts of 10, errors 5 %, history of 10 s, candidate at the tolerated ratio": World(
            base=0.05, burst=10, history=10, ratio=1.5
        ),
    }


def replaced() -> dict[str, World]:
    """Healthy releases in the place of the old one, judged by its history alone."""
    worlds = {
        f"bursts of {burst}, history of {history} s": World(share=1, history=history, burst=burst)
        for burst in (1, 10)
        for history in (10, 60, 600)
    }
    worlds["everything fails 1.5 times as often as in the history"] = World(share=1, ratio=1.5)
    worlds["everything fails twice as often as in the history"] = World(share=1, ratio=2.0)
    return worlds


def decisions(processes: Processes, world: World, rule: Rule, runs: int, seed: int) -> Found:
    """What a rule makes of so many rollouts of a world."""
    parts = 8
    tasks = [(world, rule, (seed, part), len(range(part, runs, parts))) for part in range(parts)]
    return [found for some in processes.map(_decide, tasks, chunksize=1) for found in some]


def _decide(task: tuple[World, Rule, tuple[int, int], int]) -> Found:
    world, rule, seed, runs = task
    rng, found = np.random.default_rng(seed), Found()
    for _ in range(runs):
        stream = draw(world, rng)
        first = int(rng.integers(1, OURS.interval + 1))
        second = replace(rule, first=first)(stream) if isinstance(rule, Sequential) else rule(stream)
        found.append((second, int(stream.candidate[1][:second].sum())))
    return found


def blamed(processes: Processes, world: World, rule: Rule, seed: int, alpha: float | None = None) -> dict[str, Any]:
    """The share of healthy releases that a rule decides against, with Wilson's interval of 95 %."""
    runs = HEALTHY_RUNS
    wrong = sum(second is not None for second, _ in decisions(processes, world, rule, runs, seed))
    z = 1.96
    middle, width = wrong + z**2 / 2, z * math.sqrt(wrong * (1 - wrong / runs) + z**2 / 4)
    low, high = (max(middle + sign * width, 0.0) / (runs + z**2) for sign in (-1, 1))
    figures: dict[str, Any] = {"runs": runs, "share": wrong / runs, "interval95": [round(low, 5), round(high, 5)]}
    return figures if alpha is None else figures | {"significantlyAboveAlpha": low > alpha}


def wald(bad: float, rps: float) -> float:
    """The least mean time of any test that knows nothing of before, in seconds, for as many requests of both.

    That is Wald's bound for the split of independent failures between candidate and baseline.
    """
    share, tolerated = bad / (bad + BASE), OURS.ratio / (1 + OURS.ratio)
    split = share * math.log(share / tolerated) + (1 - share) * math.log((1 - share) / (1 - tolerated))
    return math.log(1 / OURS.alpha) / (rps / 2 * (bad + BASE) * split)


def detected(processes: Processes, world: World, rule: Rule, seed: int, runs: int = BAD_RUNS) -> dict[str, Any]:
    """Median and 95th percentile of the seconds until a bad release is found, and what had failed until then."""
    found = decisions(processes, world, rule, runs, seed)
    seconds = [math.inf if second is None else second - world.bad_from for second, _ in found]
    return {
        "runs": runs,
        "found": sum(math.isfinite(each) and each > 0 for each in seconds) / runs,
        "foundTooSoon": sum(each <= 0 for each in seconds) / runs,
        "medianSeconds": _percentile(seconds, 50),
        "p95Seconds": _percentile(seconds, 95),
        "medianFailedRequests": _percentile([failed for _, failed in found], 50),
    }


def from_when(processes: Processes) -> dict[str, Any]:
    """How soon each regression is found, by how long the candidate was healthy before, beside Wald's bound."""
    figures: dict[str, Any] = {}
    for minutes in (0, 5, 10, 30):
        for bad in BAD_RATES:
            bound = wald(bad, World().rps)
            until = 60 * minutes + math.ceil(6 * bound)
            world = World(bad=bad, bad_from=60 * minutes, seconds=until)
            found = detected(processes, world, OURS, 1, runs=BAD_RUNS if minutes < 10 else BAD_RUNS // 2)
            median = found["medianSeconds"]
            figures[f"after {minutes} min, 1 % -> {100 * bad:g} %"] = found | {
                "waldSeconds": round(bound, 2),
                "medianToWald": median and round(median / bound, 3),
            }
    return figures


def by_history(processes: Processes) -> dict[str, Any]:
    """How soon 25 % are found, by how much is known of the baseline, how often one looks, and what comes in bursts."""
    bad = World(bad=0.25, seconds=180)
    worlds = {f"history of {history} s": replace(bad, history=history) for history in (0, 10, 60, 600)}
    worlds["bursts of 5"], worlds["bursts of 10"] = replace(bad, burst=5), replace(bad, burst=10)
    worlds["10 % of the traffic"] = replace(bad, share=0.1)
    worlds["an outage to 25 % in the history"] = replace(bad, before=0.25)
    worlds["no errors before"] = replace(bad, base=0.0)
    figures = {name: detected(processes, world, OURS, 2) for name, world in worlds.items()}
    often = replace(OURS, interval=1)
    for history in (10, 60, 600):
        world = replace(bad, history=history)
        figures[f"history of {history} s, a look every second"] = detected(processes, world, often, 2)
    return figures


def sampled(processes: Processes) -> dict[str, Any]:
    """How soon 25 % and 10 % are found where a tenth of the requests is counted, with all failures and without."""
    return {
        f"{100 * base:g} % -> {100 * bad:g} %, {named}": detected(
            processes, replace(world, base=base, bad=bad, seconds=600), OURS, 5
        )
        for base, bad in ((0.01, 0.25), (0.01, 0.1), (0.05, 0.25), (0.2, 0.5))
        for named, world in (
            ("all counted", World()),
            ("10 % sampled", World(sampling=0.1)),
            ("10 % sampled, failures kept", World(sampling=0.1, kept=True)),
        )
    }


def side_by_side(processes: Processes) -> dict[str, Any]:
    """All rules on the same streams of 180 s: healthy ones, and regressions from the start."""
    figures: dict[str, Any] = {}
    for name, rule in RULES.items():
        figures[name] = {"healthy": blamed(processes, World(), rule, 3)}
        figures[name]["healthy, 1 request/s each"] = blamed(processes, World(rps=2), rule, 3)
        figures[name]["healthy, errors 5 %"] = blamed(processes, World(base=0.05), rule, 3)
        for bad in BAD_RATES:
            figures[name][f"1 % -> {100 * bad:g} %"] = detected(processes, World(bad=bad), rule, 4)
    return figures


def power(processes: Processes) -> dict[str, Any]:
    """What `noticeable` promises after a healthy run, and how many candidates that fail so often are found."""
    figures: dict[str, Any] = {}
    for name, world in {
        "20 requests/s": World(),
        "2 requests/s": World(rps=2),
        "10 % of the traffic": World(share=0.1),
        "errors 5 %": World(base=0.05),
    }.items():
        rate = noticed(world)
        share = (
            detected(processes, replace(world, bad=rate), OURS, 5, runs=1000)["found"] if math.isfinite(rate) else None
        )
        figures[name] = {"noticeable": round(rate, 4), "found": share}
    return figures


def noticed(world: World) -> float:
    """What would have been noticed in a healthy run."""
    memory: list[float] = []
    looks = world.seconds // OURS.interval
    each = [world.rps * share * OURS.interval for share in (world.share, 1 - world.share)]
    history = Counts(requests=round(world.rps * world.history), failures=round(world.rps * world.history * world.base))
    for _ in range(looks):
        memory = detector.extend(memory, Counts(requests=1), Counts(requests=1), history, history, ratio=OURS.ratio)
    candidate, baseline = (Counts(requests=round(n * looks), failures=round(n * looks * world.base)) for n in each)
    return detector.noticeable(memory, candidate, baseline, history, ratio=OURS.ratio, alpha=OURS.alpha)


def live() -> dict[str, Any] | None:
    """Verdict and durations of the last scenario that ran in this folder."""
    report = Path(".reelback/last-run.json")
    if not report.exists():
        return None
    status = json.loads(report.read_text())["status"]
    return {key: status.get(key) for key in ("verdict", "message", "durations")}


def _percentile(values: list[float] | list[int], share: float) -> float | None:
    """None when it is never reached: JSON knows no infinity."""
    value = float(np.percentile(values, share, method="higher"))
    return round(value, 2) if math.isfinite(value) else None


def main() -> None:
    """Print the figures."""
    alone = replace(OURS, replaced=True)
    with Pool(os.cpu_count()) as processes:
        figures = {
            "alpha": OURS.alpha,
            "ratio": OURS.ratio,
            "intervalSeconds": OURS.interval,
            "detection": from_when(processes),
            "detectionBy": by_history(processes),
            "noticeable": power(processes),
            "sampled": sampled(processes),
            "sideBySide": side_by_side(processes),
            "healthy": {name: blamed(processes, world, OURS, 6, OURS.alpha) for name, world in healthy().items()},
            "replaced": {name: blamed(processes, world, alone, 7, OURS.alpha) for name, world in replaced().items()},
            "assumptionsBroken": {
                name: blamed(processes, world, OURS, 8, OURS.alpha) for name, world in broken().items()
            },
            "live": live(),
        }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
