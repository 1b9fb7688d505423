"""Consuming events: each inside a request of its own, committed after it has been processed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from reelback.v1 import events_pb2


class Poison(Exception):
    """Raised by a handler: this event can never be processed. The text is the reason, without personal data."""


class Consumer:
    """A member of a group of consumers."""

    def __init__(
        self,
        kafka_url: str,
        group: str,
        topics: Sequence[str],
        handle: Callable[[events_pb2.Event], Awaitable[None]],
        retry: tuple[type[Exception], ...],
    ) -> None:
        self._arguments = (kafka_url, group, topics, handle, retry)

    async def run(self) -> None:
        """Consume until cancelled."""
        raise NotImplementedError

    async def ready(self) -> None:
        """Raise while there is no broker, or the group has not given this member its partitions."""
        raise NotImplementedError
