"""What the controller needs from a platform: look at workloads, change them, run the players.

Every operation says what shall be true, not what to do: repeating one is harmless, so a controller that was
killed half-way goes on by asking again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from reelback_operator.engine.workload import Change, Track, Workload

__all__ = ["Change", "Platform", "PlatformError", "Track", "Workload"]


class PlatformError(Exception):
    """The platform did not carry out an operation. The message is one line that a user can act on."""


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
