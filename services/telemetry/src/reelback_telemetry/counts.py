"""Counts of what happens often: summed up for a second before they are sent, as each that is sent has its price."""

from __future__ import annotations

from collections import Counter

import sentry_sdk

from reelback_telemetry import plain
from reelback_telemetry.seldom import MOST, Seldom

SECONDS = 1.0

_all: list[Counts] = []


class Counts:
    """A metric, counted by attributes whose values are few: classes, and never somebody's id."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._since: Counter[tuple[tuple[str, str], ...]] = Counter()
        self._sent = Seldom(SECONDS)
        _all.append(self)

    def add(self, **attributes: str) -> None:
        """Count one."""
        kind = tuple((name, plain.text(value)) for name, value in attributes.items())
        self._since[kind] += 1
        if self._sent.passes(str(kind)) or len(self._since) > MOST:
            self._send(kind)

    def flush(self) -> None:
        """Send what is left."""
        for kind in list(self._since):
            self._send(kind)

    def _send(self, kind: tuple[tuple[str, str], ...]) -> None:
        sentry_sdk.metrics.count(self._name, self._since.pop(kind, 0), attributes=dict(kind))


def flush() -> None:
    """Send what is left of all counts."""
    for counts in _all:
        counts.flush()
