"""Workloads as processes of this machine, run by the local stack's supervisor."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from reelback_operator.platforms.base import Change, PlatformError, Target, Workload

from reelback_local.control import Control, ControlError, NotRunning


def chromium() -> str | None:
    """What players have who play in a browser."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class ProcessPlatform:
    """The local stack. Releases differ by their variables, or by a patch of the sources that stands for an image."""

    def __init__(self, control: Control, scenario: str) -> None:
        """`control` is open as long as this is used; `scenario` is whose candidates are run."""
        self._control = control
        self._scenario = scenario

    async def observe(self, targets: Sequence[Target]) -> Mapping[str, Workload | None]:
        """The services of these names; None for one that does not exist."""
        with _told():
            return await self._control.workloads([target.name for target in targets])

    async def claim(self, target: Target) -> None:
        """Nothing: `reelback run` holds a lock, so that no two scenarios are played at a time."""

    async def release(self, target: Target) -> None:
        """Nothing, as for a claim."""

    async def set_candidate(self, target: Target, change: Change, replicas: int) -> None:
        """Run `replicas` further processes of a service, which callers find once they are ready."""
        with _told():
            await self._control.set_candidate(target.name, change, replicas, self._scenario)

    async def remove_candidate(self, target: Target) -> None:
        """Let callers leave the candidate's processes, then end them."""
        with _told():
            await self._control.remove_candidate(target.name)

    async def set_stable(self, target: Target, change: Change) -> None:
        """Start the changed processes, and end the old ones once these are ready."""
        with _told():
            await self._control.set_stable(target.name, change)

    async def put_back(self, target: Target, before: str, variables: Sequence[str], *, image: bool) -> None:
        """Start processes with these variables, and the image if asked for, as they were; the others end once these are
        ready."""
        with _told():
            await self._control.put_back(target.name, before, variables, image=image)

    async def set_load(self, rps: float, browsers: int = 0) -> int:
        """Run the load generator against the gateway, and where this machine has a Chromium the pages of the game."""
        playing = browsers if chromium() else 0
        with _told():
            await self._control.set_load(rps, playing)
        return playing

    async def remove_load(self) -> None:
        """End the load generator."""
        with _told():
            await self._control.remove_load()


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (ControlError, NotRunning) as error:
        raise PlatformError(str(error)) from error
