"""When a provider is left alone. No I/O."""

from __future__ import annotations


class Breaker:
    """A circuit breaker for whoever decides what to send next, and when.

    Closed while the provider works. After `threshold` failures in a row it is open for `seconds`; then one message at
    a time is tried, until one gets through, or another failure opens it again. Times are of any one clock.
    """

    def __init__(self, threshold: int = 5, seconds: float = 10) -> None:
        self._threshold = threshold
        self._seconds = seconds
        self._failures = 0
        self._until: float | None = None

    @property
    def closed(self) -> bool:
        """Whether messages may be sent as they come."""
        return self._until is None

    def pause(self, now: float) -> float:
        """Seconds until something may be sent; 0 when it may be at once."""
        return 0 if self._until is None else max(0, self._until - now)

    def worked(self) -> None:
        """The provider has taken a message."""
        self._failures = 0
        self._until = None

    def failed(self, now: float) -> None:
        """The provider did not do its work."""
        self._failures += 1
        if self._failures >= self._threshold:
            self._until = now + self._seconds
