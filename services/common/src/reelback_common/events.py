"""The events that services tell each other, and the topics they go to; proto/reelback/v1/events.proto says why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reelback.v1 import events_pb2

TOPICS: Mapping[str, tuple[str, ...]] = {
    "bets": ("round_settled",),
    "payments": ("money_moved", "payment_failed"),
    "users": ("player_registered", "kyc_changed"),
    "alerts": ("alert_raised",),
}
"""The payloads of each topic."""

DEAD_LETTERS = "dead-letters"
"""Where a consumer puts what it cannot process: as it came, with the reason in its headers."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An event on its way out: its topic (a key of TOPICS), and the trace headers of the request that caused it."""

    topic: str
    event: events_pb2.Event
    headers: Mapping[str, str]
