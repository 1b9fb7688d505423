"""What a read is about: which time, which environments and projects."""

from __future__ import annotations

from dataclasses import dataclass

from reelback_minisentry.store import keys


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open time window [start, end), seconds since 1970, in whole steps of `step` seconds (1 or 3600).

    Counters of single seconds live 2 h; a window that starts earlier is widened to whole hours.
    """

    start: int
    end: int
    step: int

    @staticmethod
    def between(start: float, end: float, now: float) -> Window:
        """The window for these times, cut to what may still be kept."""
        step = keys.SECOND if start > now - keys.LIFETIME[keys.SECOND] + 60 else keys.HOUR
        first = max(start, now - keys.LIFETIME[keys.HOUR])
        last = min(end, now + keys.HOUR)
        return Window(int(first // step) * step, -int(-last // step) * step, step)

    def hours(self) -> Window:
        """The same window, widened to whole hours."""
        step = keys.HOUR
        return Window(self.start // step * step, -(-self.end // step) * step, step)

    @property
    def seconds(self) -> int:
        """Its length."""
        return max(1, self.end - self.start)


@dataclass(frozen=True, slots=True)
class Place:
    """The environments and projects asked for; empty means all."""

    environments: frozenset[str]
    projects: frozenset[str]

    def holds(self, environment: str, project: str) -> bool:
        """Whether something of there is asked for."""
        return (not self.environments or environment in self.environments) and self.holds_project(project)

    def holds_project(self, project: str) -> bool:
        """Whether the project is asked for."""
        return not self.projects or project in self.projects
