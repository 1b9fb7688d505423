"""Journeys: what a user does step by step, from a start to an end, or not to one."""

from __future__ import annotations

import time
from collections import OrderedDict
from dataclasses import dataclass

import sentry_sdk

from reelback_telemetry import plain

MOST, LONGEST_SECONDS, MOST_STEPS = 10_000, 1800.0, 100
"""Journeys that are kept at a time, how long one lasts, and its steps. One too many, or too long, is abandoned."""


@dataclass(slots=True)
class _Journey:
    name: str
    begun: float
    steps: int = 0
    last: str = "start"


class UserJourneys:
    """The journeys that users of this process are on, one each: they are counted by name, step and how they end."""

    def __init__(self) -> None:
        self._on: OrderedDict[str, _Journey] = OrderedDict()

    def start_journey(self, user: str, name: str) -> None:
        """Begin; a journey that the user was on is abandoned."""
        self._end(user, "abandoned")
        self._on[user] = _Journey(plain.text(name), time.monotonic())
        while self._on and (len(self._on) > MOST or self._oldest_is_over()):
            self._end(next(iter(self._on)), "abandoned")

    def add_step(self, user: str, step: str) -> None:
        """The user has come to a step; none where no journey is on, or it has had too many."""
        journey = self._on.get(user)
        if journey is None or journey.steps >= MOST_STEPS:
            return
        journey.steps, journey.last = journey.steps + 1, plain.text(step)
        sentry_sdk.add_breadcrumb(category="journey", message=f"{journey.name}: {journey.last}")
        sentry_sdk.metrics.count("journey.step", 1, attributes={"journey": journey.name, "step": journey.last})

    def complete_journey(self, user: str) -> None:
        """The user has come to the end."""
        self._end(user, "completed")

    def _oldest_is_over(self) -> bool:
        return time.monotonic() - next(iter(self._on.values())).begun > LONGEST_SECONDS

    def _end(self, user: str, how: str) -> None:
        if journey := self._on.pop(user, None):
            attributes = {"journey": journey.name, "ended": how, "last_step": journey.last}
            sentry_sdk.metrics.distribution(
                "journey", time.monotonic() - journey.begun, "second", attributes=attributes
            )


user_journey = UserJourneys()
"""The journeys of this process."""
