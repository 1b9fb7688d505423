"""What the engine knows of a workload, whatever platform runs it: plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

# The variable that faults are read from, a JSON object of numbers.
FAULTS_VARIABLE = "REELBACK_FAULTS"


@dataclass(frozen=True, slots=True)
class Change:
    """What a release, or a fault in the same release, changes in a workload.

    `release` is the whole Sentry release, `payment@1.5.0`; it becomes the variable SENTRY_RELEASE. `image` None
    leaves the image alone; a variable whose value is None is removed.
    """

    release: str
    image: str | None = None
    env: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Track:
    """The instances (pods, processes) of one release of a workload.

    `ready` counts the instances that serve *this* release; an instance of an earlier release that is still going
    away is in neither number. `problem` is one line when an instance cannot start or keeps ending, else None.
    """

    release: str
    desired: int
    ready: int
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Workload:
    """One target as the platform sees it now.

    `settled` is false while instances of an earlier release, or with earlier faults, still serve. `image` and `env`
    (plain values only, no references to secrets) are those of the stable track: the pre-image of a change is taken
    from them.
    """

    name: str
    stable: Track
    candidate: Track | None
    settled: bool
    image: str | None
    env: Mapping[str, str]
