"""Rollouts as streams of counts, drawn second by second: what the rules of the detection benchmark look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from reelback_operator.engine.model.status import Counts

Array = NDArray[np.int64]
Rates = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """What is drawn.

    `rps` requests a second arrive at random, `share` of them at the candidate. `base` is the baseline's failure rate,
    and before the rollout it served all for `history` seconds, failing at `before` then, if given; the candidate's is
    `ratio` times `base`, and `bad` from second `bad_from` on, if given. From `incident_from` on both fail at
    `incident`. Failures come in groups of `burst`: at once, or where `in_a_row` is true, as requests that follow one
    another. `sampling` is the share of the requests that is counted, beside all failures where `kept` is true; the
    baseline's are counted `late` seconds after the candidate's.
    """

    rps: float = 20
    share: float = 0.5
    base: float = 0.01
    ratio: float = 1.0
    bad: float | None = None
    bad_from: int = 0
    incident: float | None = None
    incident_from: int = 60
    burst: int = 1
    in_a_row: bool = False
    sampling: float = 1.0
    kept: bool = False
    late: int = 0
    history: int = 600
    before: float | None = None
    seconds: int = 180


@dataclass(frozen=True)
class Stream:
    """One rollout: requests and failures of candidate and baseline in each second, and the baseline's before it."""

    candidate: tuple[Array, Array]
    baseline: tuple[Array, Array]
    history: Counts


def draw(world: World, rng: np.random.Generator) -> Stream:
    """One rollout of a world."""
    seconds = np.arange(world.seconds)
    incident = world.incident if world.incident is not None else world.base
    base = np.where(seconds < world.incident_from, world.base, incident)
    candidate = np.minimum(base * world.ratio, 1.0)
    if world.bad is not None:
        candidate = np.where(seconds < world.bad_from, candidate, world.bad)
    at_first = world.base if world.before is None else world.before
    before = _counted(world, world.rps, np.full(world.history, at_first), rng)
    beside = np.concatenate([np.full(world.late, world.base), base])[: world.seconds]
    return Stream(
        _counted(world, world.rps * world.share, candidate, rng),
        _counted(world, world.rps * (1 - world.share), beside, rng),
        Counts(requests=int(before[0].sum()), failures=int(before[1].sum())),
    )


def _counted(world: World, rps: float, rates: Rates, rng: np.random.Generator) -> tuple[Array, Array]:
    """Requests and failures in each second."""
    bursts = rng.poisson(rps * rates / world.burst)
    if world.in_a_row:
        starts = np.repeat(np.arange(len(rates)), bursts) + rng.random(bursts.sum())
        at = (starts[:, None] + np.arange(world.burst) / rps).astype(np.int64).ravel()
        failures = np.bincount(at[at < len(rates)], minlength=len(rates))
    else:
        failures = bursts * world.burst
    requests = np.maximum(rng.poisson(rps, len(rates)), failures)
    if world.sampling < 1:
        passed = rng.binomial(requests - failures, world.sampling)
        failures = failures if world.kept else rng.binomial(failures, world.sampling)
        requests = failures + passed
    return requests, failures
