"""Debug endpoints: what each service can be made to do wrong, through the gateway at /api/v1/<service>/debug/<name>."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Section = Literal["crashes", "memory and threading", "errors"]

_MEMORY_AND_THREADING = frozenset(
    {
        "async-error",
        "event-loop-block",
        "infinite-loop",
        "memory-leak",
        "memory-spike",
        "stack-overflow",
        "threading-error",
        "unhandled-task",
    }
)


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of it may be asked for: seconds or megabytes."""

    unit: str
    usual: float
    most: float


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One thing that can be made to go wrong.

    `status` is what the gateway answers, `event` how the event's title in Sentry begins. What can be taken back has
    `undo`, by DELETE.
    """

    service: str
    name: str
    status: int
    event: str
    what: str
    amount: Amount | None = None
    undo: bool = False

    @property
    def path(self) -> str:
        """The path below /api/v1."""
        return f"/{self.service}/debug/{self.name}"

    @property
    def section(self) -> Section:
        """Where the debug panel has it."""
        if self.name == "crash":
            return "crashes"
        return "memory and threading" if self.name in _MEMORY_AND_THREADING else "errors"


_BLOCKED = Amount("seconds", 2, 5)
_MEMORY = Amount("megabytes", 16, 64)
_SLOW = Amount("seconds", 0.5, 4)

ENDPOINTS: Mapping[tuple[str, str], Endpoint] = {
    (endpoint.service, endpoint.name): endpoint
    for endpoint in (
        Endpoint("game", "crash", 503, "Crash", "The process ends at once, and is started again."),
        Endpoint("game", "error/value", 500, "ValueError", "A text that is no number is read as one."),
        Endpoint("game", "error/type", 500, "TypeError", "A number is asked for its length."),
        Endpoint("game", "error/index", 500, "IndexError", "A reel is looked for that the machine does not have."),
        Endpoint("game", "error/key", 500, "KeyError", "A symbol is looked for that the paytable does not have."),
        Endpoint("game", "error/zero-division", 500, "ZeroDivisionError", "An average of no rounds is taken."),
        Endpoint("game", "error/custom", 500, "DebugError", "An exception of our own is raised."),
        Endpoint("game", "memory-leak", 201, "memory leak", "Memory is kept for ever.", _MEMORY, undo=True),
        Endpoint("game", "infinite-loop", 201, "EventLoopBlocked", "A loop has no end for a while.", _BLOCKED),
        Endpoint("game", "async-error", 500, "RuntimeError", "A coroutine fails after it has waited."),
        Endpoint("game", "threading-error", 201, "RuntimeError", "A thread fails, and nobody waits for it."),
        Endpoint("analytics", "crash", 503, "Crash", "The process ends at once, and is started again."),
        Endpoint("analytics", "validation-error", 500, "ValidationError", "What a model is made of does not fit it."),
        Endpoint("analytics", "database-error", 500, "OperationFailure", "The database is sent an unknown command."),
        Endpoint("analytics", "timeout", 500, "TimeoutError", "Something takes longer than it may."),
        Endpoint("analytics", "memory-spike", 201, "memory spike", "Memory is taken and given back.", _MEMORY),
        Endpoint("analytics", "slow-query", 201, "slow query", "A query takes long.", _SLOW),
        Endpoint("payment", "crash", 503, "Crash", "The process ends at once, and is started again."),
        Endpoint("payment", "unhandled-task", 201, "RuntimeError", "A task fails that nobody waits for."),
        Endpoint("payment", "memory-leak", 201, "memory leak", "Memory is kept for ever.", _MEMORY, undo=True),
        Endpoint("payment", "event-loop-block", 201, "EventLoopBlocked", "A call blocks the event loop.", _BLOCKED),
        Endpoint("payment", "stack-overflow", 500, "RecursionError", "A function calls itself without end."),
        Endpoint("payment", "type-error", 500, "TypeError", "A number is asked for its length."),
        Endpoint("payment", "async-error", 500, "RuntimeError", "A coroutine fails after it has waited."),
        Endpoint("payment", "database-error", 500, "OperationFailure", "The database is sent an unknown command."),
        Endpoint("user", "unauthorized", 401, "security event", "A session is asked for that nobody has opened."),
        Endpoint("user", "slow-query", 201, "slow query", "A query takes long.", _SLOW),
        Endpoint("user", "crash", 503, "Crash", "The process ends at once, and is started again."),
        Endpoint("notification", "poison-message", 201, "Poison", "An event is published that no consumer can read."),
        Endpoint(
            "notification", "provider-timeout", 500, "Unreachable", "A provider takes a message and never answers."
        ),
    )
}


def are_on(environment: str) -> bool:
    """Whether an environment has them at all."""
    return environment != "production"
