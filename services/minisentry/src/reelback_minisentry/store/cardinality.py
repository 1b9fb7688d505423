"""Bounds on how many different things are counted, whatever the senders put into names and attributes."""

from __future__ import annotations

from dataclasses import dataclass

from reelback_minisentry.store import keys

OVERHEAD = 64
"""Bytes that a name costs beside itself, here and in the store."""


class Names:
    """The names that an hour has room for: `limit` bytes of them."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._hour = 0
        self._bytes = 0
        self._seen: set[str] = set()

    def take(self, name: str, at: float) -> bool:
        """Whether the hour of `at` has the name, or room for it; then it has it."""
        if name in self._seen:
            return True
        if (hour := int(at // keys.HOUR)) > self._hour:
            self._hour, self._bytes, self._seen = hour, 0, set()
        size = OVERHEAD + len(name.encode("utf-8", "replace"))
        if self._bytes + size > self._limit:
            return False
        self._bytes += size
        self._seen.add(name)
        return True


class MetricSeries:
    """Bounds metrics and their attributes: attributes too many are counted as OTHER, their metric's sums stay right."""

    def __init__(self, metrics: int, series: int) -> None:
        self._metrics = Names(metrics)
        self._series = Names(series)

    def bound(self, metric: tuple[str, ...], attributes: str, at: float) -> tuple[str, ...]:
        """The dimensions of a metric, and its attributes, both within their bounds."""
        if not self._metrics.take(keys.SEPARATOR.join(metric), at):
            return (keys.OTHER,) * (len(metric) + 1)
        series = (*metric, attributes)
        return series if self._series.take(keys.SEPARATOR.join(series), at) else (*metric, keys.OTHER)


@dataclass(frozen=True, slots=True)
class Room:
    """What one kind of sender may fill in an hour: counters, metrics, functions, whose sessions, their ids."""

    fields: Names
    metrics: MetricSeries
    profiles: Names
    sessions: Names
    session_ids: Names

    @classmethod
    def of(cls, share: float) -> Room:
        """A share, in (0, 1], of what there is room for."""
        return cls(
            Names(int(share * keys.FIELDS_BYTES)),
            MetricSeries(int(share * keys.METRICS_BYTES), int(share * keys.METRIC_SERIES_BYTES)),
            Names(int(share * keys.PROFILES_BYTES)),
            Names(int(share * keys.SESSIONS_BYTES)),
            Names(int(share * keys.SESSION_IDS_BYTES)),
        )
