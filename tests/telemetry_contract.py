"""What every service owes to Sentry: the one table that tests check against a running backend.

A service that is added to the stack is added here, with its signals and the calls it makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Signal: TypeAlias = Literal["spans", "sessions", "errors", "logs", "metrics"]
"""spans: each request is a segment with release and environment, and a failed one says so.
sessions: one a request, by release.
errors: an exception is one event with the trace it happened in.
logs: JSON lines with service and release, and the trace where there is one.
metrics: figures of the business, under names of their own.
"""


@dataclass(frozen=True)
class Service:
    """`breaks_by` is the fault that makes it raise, for checking its errors; None where no fault does."""

    signals: frozenset[Signal]
    breaks_by: str | None = None


@dataclass(frozen=True)
class Edge:
    """A call or an event from one service to another that some request must show; `segment` is the callee's."""

    caller: str
    callee: str
    segment: str

    @property
    def event(self) -> bool:
        """Whether it goes over Kafka."""
        return self.segment.startswith("process ")


_ALWAYS: frozenset[Signal] = frozenset({"spans", "sessions", "logs"})

SERVICES: Mapping[str, Service] = {
    "gateway": Service(_ALWAYS),
    "user": Service(_ALWAYS),
    "game": Service(_ALWAYS),
    "payment": Service(_ALWAYS | {"errors"}, breaks_by="payment.charge.error_rate"),
    "analytics": Service(_ALWAYS | {"metrics"}),
    "notification": Service(_ALWAYS),
    "mailbox": Service(_ALWAYS),
    "web": Service(_ALWAYS),
    "admin": Service(_ALWAYS),
}

EDGES = frozenset(
    {
        Edge("gateway", "user", "reelback.v1.User/CheckSession"),
        Edge("gateway", "game", "reelback.v1.Game/Spin"),
        Edge("gateway", "payment", "reelback.v1.Payment/GetWallet"),
        Edge("gateway", "analytics", "reelback.v1.Analytics/GetReport"),
        Edge("gateway", "notification", "reelback.v1.Notification/GetPreferences"),
        Edge("game", "payment", "reelback.v1.Payment/Charge"),
        Edge("payment", "user", "reelback.v1.User/GetProfile"),
        Edge("notification", "user", "reelback.v1.User/GetProfile"),
        Edge("game", "analytics", "process bets"),
        Edge("game", "notification", "process bets"),
        Edge("payment", "analytics", "process payments"),
        Edge("payment", "notification", "process payments"),
        Edge("user", "analytics", "process users"),
        Edge("user", "notification", "process users"),
        Edge("analytics", "notification", "process alerts"),
    }
)

UNTRACED = frozenset({("analytics", "game")})
"""Calls that are made for no request, and so are part of no trace: the paytable, which analytics asks for by itself."""
