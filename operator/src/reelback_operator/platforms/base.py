"""What the controller needs from a platform: look at workloads, change them, run the players.

Every operation says what shall be true, not what to do: repeating one is harmless, so a controller that was
killed half-way goes on by asking again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from reelback_operator.engine.model.spec import Target
from reelback_operator.engine.model.workload import PATIENCE, Change, Template, Track, Workload

__all__ = ["PATIENCE", "Change", "Platform", "PlatformError", "Target", "Template", "Track", "Workload"]


class PlatformError(Exception):
    """The platform did not carry out an operation. The message is one line that a user can act on."""


class Platform(Protocol):
    """A place where workloads run. Every method raises PlatformError, and takes at most 30 s."""

    async def observe(self, targets: Sequence[Target]) -> Mapping[str, Workload | None]:
        """The workloads of these targets by name; None for one that does not exist."""
        ...

    async def claim(self, target: Target) -> None:
        """Make the target this scenario's alone. PlatformError, which names the holder, while another one has it.

        A claim of a scenario that is gone, whose run has ended, or that does not name the target is no claim.
        """
        ...

    async def release(self, target: Target) -> None:
        """Give the target back: the claim, and the ownership of the fields that were changed. No claim is no error."""
        ...

    async def set_candidate(self, target: Target, change: Change, replicas: int) -> None:
        """Run `replicas` instances of the target with `change`, beside the stable ones and behind one address.

        One of another template than that is replaced. Refused where it is another scenario's.
        """
        ...

    async def remove_candidate(self, target: Target) -> None:
        """Take the candidate's instances out of the address at once, then drain and end them.

        None there is not an error; another scenario's is left alone.
        """
        ...

    async def set_stable(self, target: Target, change: Change) -> None:
        """Change the stable track itself, in a rolling update. Returns before it has settled."""
        ...

    async def put_back(self, target: Target, before: str, variables: Sequence[str], *, image: bool) -> None:
        """Give the stable track these variables, and the image if asked for, of its template with the digest `before`.

        Whatever else was changed since stays.
        """
        ...

    async def set_load(self, rps: float, browsers: int = 0) -> int:
        """Run players that send about `rps` requests a second to the gateway, and beside them so many that play in a
        browser; how many of these there are: none where there is no browser."""
        ...

    async def remove_load(self) -> None:
        """End the players. None there is not an error."""
        ...
