"""What every service owes to Sentry: the one table that tests check against a running backend.

A service that is added to the stack is added here, with its signals and the calls it makes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Signal: TypeAlias = Literal["spans", "sessions", "errors", "logs"]
"""spans: each request is a segment with release and environment, and a failed one says so.
sessions: one a request, by release.
errors: an exception is one event with the trace it happened in.
logs: JSON lines with service and release, and the trace where there is one.
"""


@dataclass(frozen=True)
class Service:
    """`breaks_by` is the fault that makes it raise, for checking its errors; None where no fault does."""

    signals: frozenset[Signal]
    breaks_by: str | None = None


@dataclass(frozen=True)
class Edge:
    """A call from one service to another that some request must show; `rpc` is the callee's segment."""

    caller: str
    callee: str
    rpc: str


_ALWAYS: frozenset[Signal] = frozenset({"spans", "sessions", "logs"})

SERVICES: Mapping[str, Service] = {
    "gateway": Service(_ALWAYS),
    "user": Service(_ALWAYS),
    "game": Service(_ALWAYS),
    "payment": Service(_ALWAYS | {"errors"}, breaks_by="payment.charge.error_rate"),
}

EDGES = frozenset(
    {
        Edge("gateway", "user", "reelback.v1.User/CheckSession"),
        Edge("gateway", "game", "reelback.v1.Game/Spin"),
        Edge("gateway", "payment", "reelback.v1.Payment/GetWallet"),
        Edge("game", "payment", "reelback.v1.Payment/Charge"),
    }
)
