"""What the controller needs from a platform: look at workloads, change them, run the players.

Every operation says what shall be true, not what to do: repeating one is harmless, so a controller that was
killed half-way goes on by asking again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class PlatformError(Exception):
    """The platform did not carry out an operation. The message is one line that a user can act on."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a release changes in a workload.

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

    `settled` is false while instances of an earlier release still serve. `image` and `env` (plain values only, no
    references to secrets) are those of the stable track: the pre-image of a change is taken from them.
    """

    name: str
    stable: Track
    candidate: Track | None
    settled: bool
    image: str | None
    env: Mapping[str, str]


class Platform(Protocol):
    """A place where workloads run. Every method raises PlatformError, and takes at most 30 s."""

    async def observe(self, names: Sequence[str]) -> Mapping[str, Workload | None]:
        """The workloads of these names; None for one that does not exist."""
        ...

    async def set_candidate(self, name: str, change: Change, replicas: int) -> None:
        """Run `replicas` instances of the workload with `change`, beside the stable ones and behind one address."""
        ...

    async def remove_candidate(self, name: str) -> None:
        """Drain and end the candidate's instances. None there is not an error."""
        ...

    async def set_stable(self, name: str, change: Change) -> None:
        """Change the stable track itself, in a rolling update. Returns before it has settled."""
        ...

    async def set_load(self, rps: float) -> None:
        """Run players that send about `rps` requests a second to the gateway."""
        ...

    async def remove_load(self) -> None:
        """End the players. None there is not an error."""
        ...
