"""Carries out what the engine decides: observe, step, save, act.

The status is saved before anything is done, and every action is harmless when repeated: a controller killed between
any two of these lines goes on from the saved status and does nothing twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from reelback_operator.engine.resource import Scenario, Status
from reelback_operator.platforms.base import Platform
from reelback_operator.sentry import Sentry

Save = Callable[[Status], Awaitable[None]]


class Controller:
    """Runs scenarios on one platform, watched through one Sentry organization."""

    def __init__(self, platform: Platform, sentry: Sentry, scenario_url: str = "") -> None:
        """`scenario_url` is where a deploy in Sentry points to; empty for none."""
        self._platform = platform
        self._sentry = sentry
        self._scenario_url = scenario_url

    async def tick(self, scenario: Scenario, save: Save) -> Status:
        """Look once, decide, save, act; the status after that. Raises only what `save` raises."""
        raise NotImplementedError

    async def abandon(self, scenario: Scenario) -> None:
        """Undo what a scenario that was deleted while it ran left: candidates, changed workloads, players.

        Raises PlatformError when that did not succeed.
        """
        raise NotImplementedError
