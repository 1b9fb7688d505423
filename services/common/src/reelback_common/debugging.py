"""The service behind the debug endpoints: each does what its row in `debug_endpoints` says, and leaves an event."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc
import sentry_sdk
from pydantic import BaseModel
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import debug_pb2, debug_pb2_grpc
from reelback_telemetry import runtime
from reelback_telemetry.context import set_player
from reelback_telemetry.operations import tag_business_operation

from reelback_common.crash import crash
from reelback_common.debug_endpoints import ENDPOINTS, Endpoint
from reelback_common.refusals import refusing

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Action: TypeAlias = Callable[[float], Awaitable[str]]
"""Does it, with an amount where the endpoint has one; what there is to say of it. Most raise."""

MOST_LEAKED = 96
"""Megabytes that leaks may come to in one process."""

SPIKE_SECONDS, TIMEOUT_SECONDS, SLOW_MS = 0.5, 0.2, 200.0

_leaked: list[bytearray] = []


class DebugError(Exception):
    """An exception that was asked for."""


class Unknown(Exception):
    """The service has no such endpoint."""


class OutOfBounds(ValueError):
    """More was asked for than may be."""


class Unauthenticated(Exception):
    """The action was refused, as it had to be."""


class Full(Exception):
    """There is no room for more."""


REFUSALS = {
    Unknown: grpc.StatusCode.NOT_FOUND,
    OutOfBounds: grpc.StatusCode.INVALID_ARGUMENT,
    Unauthenticated: grpc.StatusCode.UNAUTHENTICATED,
    Full: grpc.StatusCode.FAILED_PRECONDITION,
}


class Debug(debug_pb2_grpc.DebugServicer):
    """reelback.v1.Debug of one service; `own` are the actions that only it can do."""

    def __init__(self, service: str, own: Mapping[str, Action]) -> None:
        actions = {**_COMMON, **own}
        self._endpoints = {name: endpoint for (of, name), endpoint in ENDPOINTS.items() if of == service}
        self._actions = {
            name: tag_business_operation(f"debug {service}/{name}")(actions[name]) for name in self._endpoints
        }

    async def Trigger(self, request: debug_pb2.TriggerRequest, context: Context) -> debug_pb2.TriggerResponse:
        """Let it go wrong."""
        set_player(request.player_id)
        async with refusing(context, REFUSALS, ()):
            endpoint = self._endpoints.get(request.name)
            if endpoint is None:
                raise Unknown("name: there is no such debug endpoint")
            amount = _amount(endpoint, request.amount)
            sentry_sdk.add_breadcrumb(
                category="debug", message=f"{request.name} was asked for", data={"amount": amount}
            )
            if request.undo:
                return debug_pb2.TriggerResponse(message=_give_back(endpoint))
            return debug_pb2.TriggerResponse(message=await self._actions[request.name](amount))


def _amount(endpoint: Endpoint, asked: float) -> float:
    bounds = endpoint.amount
    if bounds is None:
        if asked:
            raise OutOfBounds("amount: this endpoint has none")
        return 0.0
    if not 0 <= asked <= bounds.most:
        raise OutOfBounds(f"amount: at most {bounds.most:g} {bounds.unit}")
    return asked or bounds.usual


async def _crash(_: float) -> str:
    await crash()


async def _value(_: float) -> str:
    return str(int("three cherries"))


async def _type(_: float) -> str:
    number: Any = 5
    return str(len(number))


async def _index(_: float) -> str:
    reels = ["cherry", "lemon"]
    return reels[5]


async def _key(_: float) -> str:
    paytable = {"cherry": 5}
    return str(paytable["diamond"])


async def _zero_division(_: float) -> str:
    rounds: list[int] = []
    return str(sum(rounds) / len(rounds))


async def _custom(_: float) -> str:
    raise DebugError("asked for")


async def _leak_memory(megabytes: float) -> str:
    if _leaks() + megabytes > MOST_LEAKED:
        raise Full(f"amount: {_leaks():.0f} of {MOST_LEAKED} MB are leaked already; DELETE gives them back")
    before = runtime.megabytes()
    _leaked.append(_filled(megabytes))
    return _tell("memory leak", f"{megabytes:g} MB more are kept", {"before_mb": before, "leaked_mb": _leaks()})


async def _spike_memory(megabytes: float) -> str:
    before = runtime.megabytes()
    taken = _filled(megabytes)
    await asyncio.sleep(SPIKE_SECONDS)
    size = len(taken) / 2**20
    return _tell("memory spike", f"{size:g} MB are taken and given back", {"before_mb": before, "taken_mb": size})


async def _loop_without_end(seconds: float) -> str:
    end, turns = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        turns += 1
    return f"{turns} turns, none of them of the event loop"


async def _block_event_loop(seconds: float) -> str:
    time.sleep(seconds)  # noqa: ASYNC251 - this is the fault
    return f"the event loop stood still for {seconds:g} s"


async def _fail_later(_: float) -> str:
    await asyncio.sleep(0)
    raise RuntimeError("a coroutine failed after it had waited")


async def _forget_task(_: float) -> str:
    asyncio.create_task(_fail_later(0))  # noqa: RUF006 - this is the fault
    await asyncio.sleep(0.05)
    return "a task has failed, and nobody waited for it"


async def _fail_in_thread(_: float) -> str:
    def work() -> None:
        raise RuntimeError("a thread failed")

    thread = threading.Thread(target=work, name="debug")
    thread.start()
    await asyncio.to_thread(thread.join)
    return "a thread has failed, and nobody waited for it"


async def _overflow_stack(_: float) -> str:
    def deeper(level: int) -> int:
        return deeper(level + 1) + 1

    return str(deeper(0))


class _Round(BaseModel):
    bet: int
    win: int


async def _fail_validation(_: float) -> str:
    return repr(_Round.model_validate({"bet": "a lot"}))


async def _take_too_long(_: float) -> str:
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await asyncio.sleep(60)
    return "never"


_COMMON: Mapping[str, Action] = {
    "crash": _crash,
    "error/value": _value,
    "error/type": _type,
    "error/index": _index,
    "error/key": _key,
    "error/zero-division": _zero_division,
    "error/custom": _custom,
    "memory-leak": _leak_memory,
    "memory-spike": _spike_memory,
    "infinite-loop": _loop_without_end,
    "event-loop-block": _block_event_loop,
    "async-error": _fail_later,
    "unhandled-task": _forget_task,
    "threading-error": _fail_in_thread,
    "stack-overflow": _overflow_stack,
    "type-error": _type,
    "validation-error": _fail_validation,
    "timeout": _take_too_long,
}


def database_error(database: AsyncDatabase[dict[str, Any]]) -> Action:
    """Send a database a command that it does not know."""

    async def fail(_: float) -> str:
        return str(await database.command("no_such_command"))

    return fail


def slow_query(database: AsyncDatabase[dict[str, Any]]) -> Action:
    """Query a database, and take long about it: it waits before, so that every server is as slow."""

    async def query(seconds: float) -> str:
        began = time.perf_counter()
        await asyncio.sleep(seconds)
        await database.command("ping")
        took = round(1000 * (time.perf_counter() - began))
        if took <= SLOW_MS:
            return f"it took {took} ms, and is slow from {SLOW_MS:g} ms on"
        return _tell("slow query", f"it took {took} ms", {"took_ms": took, "threshold_ms": SLOW_MS})

    return query


def _filled(megabytes: float) -> bytearray:
    """Memory that is really taken: each page has been written to."""
    taken = bytearray(int(megabytes * 2**20))
    taken[::4096] = b"x" * len(taken[::4096])
    return taken


def _leaks() -> float:
    return sum(map(len, _leaked)) / 2**20


def _give_back(endpoint: Endpoint) -> str:
    if not endpoint.undo:
        raise Unknown("name: there is nothing to take back of this debug endpoint")
    given = _leaks()
    _leaked.clear()
    return f"{given:g} MB were given back"


def _tell(kind: str, text: str, facts: dict[str, float]) -> str:
    """Send what makes no error by itself: one issue for a kind in a service."""
    service = str(sentry_sdk.get_client().options["release"]).partition("@")[0]
    with sentry_sdk.new_scope() as scope:
        scope.fingerprint = ["debug", service, kind]
        scope.set_context("debug", facts)
        sentry_sdk.capture_message(f"{kind}: {text}", level="warning")
    return text
