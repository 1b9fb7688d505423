"""Bounds on how many different things are counted, whatever the senders put into names and attributes."""

from __future__ import annotations

from reelback_minisentry.store import keys


class Series:
    """Bounds the number of counters of an hour: sets of dimensions beyond MAX_SERIES are counted as OTHER."""

    def __init__(self, limit: int = keys.MAX_SERIES) -> None:
        self._limit = limit
        self._hour = 0
        self._seen: set[tuple[str, ...]] = set()

    def bound(self, dimensions: tuple[str, ...], at: float) -> tuple[str, ...]:
        """The dimensions, or as many OTHERs once the hour of `at` has too many."""
        if dimensions in self._seen:
            return dimensions
        if (hour := int(at // keys.HOUR)) > self._hour:
            self._hour, self._seen = hour, set()
        if len(self._seen) >= self._limit:
            return (keys.OTHER,) * len(dimensions)
        self._seen.add(dimensions)
        return dimensions


class MetricSeries:
    """Bounds metrics and their attributes: attributes too many are counted as OTHER, their metric's sums stay right."""

    def __init__(self, metrics: int = keys.MAX_METRICS, series: int = keys.MAX_METRIC_SERIES) -> None:
        self._metrics = Series(metrics)
        self._series = Series(series)

    def bound(self, metric: tuple[str, ...], attributes: str, at: float) -> tuple[str, ...]:
        """The dimensions of a metric, and its attributes, both within their bounds."""
        bounded = self._metrics.bound(metric, at)
        whole = (*bounded, attributes if bounded == metric else keys.OTHER)
        return whole if self._series.bound(whole, at) == whole else (*bounded, keys.OTHER)
