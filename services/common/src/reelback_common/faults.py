"""What can be broken on purpose, as OpenFeature flags that REELBACK_FAULTS switches on."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import sentry_sdk
from openfeature import api
from openfeature.flag_evaluation import FlagEvaluationDetails, FlagValueType
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from sentry_sdk.feature_flags import add_feature_flag

from reelback_common.crash import crash


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that can go wrong.

    `effect` says what a value means: the share of calls from 0 to 1 that raise, are refused or end the process,
    milliseconds to wait or to compute, or a switch that is on above 0.
    """

    key: str
    service: str
    effect: Literal["raise", "refuse", "crash", "wait", "compute", "switch"]
    description: str

    @property
    def maximum(self) -> float:
        """The largest value accepted: one minute for a time, 1 for anything else."""
        return 60_000 if self.effect in ("wait", "compute") else 1


FAULTS: Mapping[str, Fault] = {
    fault.key: fault
    for fault in (
        Fault("payment.charge.error_rate", "payment", "raise", "This share of charges raises an exception."),
        Fault("payment.charge.latency_ms", "payment", "wait", "Every charge takes so much longer."),
        Fault("user.profile.slow_query_ms", "user", "wait", "The query for a profile takes so much longer."),
        Fault("user.session.refused_rate", "user", "refuse", "This share of sessions is refused, as if guessed."),
        Fault("notification.intake.crash_rate", "notification", "crash", "This share of events ends the process."),
        Fault("game.rng.cpu_ms", "game", "compute", "Every round burns so much CPU, and its event loop stands still."),
        Fault("analytics.report.n_plus_one", "analytics", "switch", "The report queries player by player."),
        Fault("admin.live.leak", "admin", "switch", "The live view keeps every chart that it has drawn."),
        Fault("web.spin.error_rate", "web", "raise", "This share of spins raises an error in the browser."),
    )
}


class InjectedFault(Exception):
    """A failure that was asked for."""


class _RecordInSentry(Hook):
    """Puts what was evaluated on the errors that follow in the same request.

    Sentry's flags are booleans, so the flag says whether the fault is on, and the context says how much of it.
    """

    def after(self, hook_context: HookContext, details: FlagEvaluationDetails[FlagValueType], hints: HookHints) -> None:
        add_feature_flag(details.flag_key, bool(details.value))
        if details.value:
            sentry_sdk.get_isolation_scope().set_context("faults", {details.flag_key: details.value})


def check(values: Mapping[str, float]) -> dict[str, float]:
    """The values as they are; ValueError names a key that is unknown or a value that is out of bounds."""
    for key, value in values.items():
        if key not in FAULTS:
            raise ValueError(f"unknown fault {key!r}; there are {', '.join(sorted(FAULTS))}")
        if not 0 <= value <= FAULTS[key].maximum:
            raise ValueError(f"{key} must be between 0 and {FAULTS[key].maximum:g}, not {value:g}")
    return dict(values)


def configure(values: Mapping[str, float]) -> None:
    """Set what the flags of this process are from now on; a fault that is not named is off."""
    flags = {key: InMemoryFlag("on", {"on": float(value)}) for key, value in check(values).items()}
    off = {key: InMemoryFlag("off", {"off": 0.0}) for key in FAULTS if key not in flags}
    api.set_provider(InMemoryProvider(flags | off))
    api.clear_hooks()
    api.add_hooks([_RecordInSentry()])


async def inject(key: str) -> None:
    """Do what the fault `key` is set to: raise, end the process, wait or compute; nothing when it is off."""
    value = await _value(key)
    if not value:
        return
    match FAULTS[key].effect:
        case "raise":
            if _hits(value):
                raise InjectedFault(f"{key} is {value:g}")
        case "crash":
            if _hits(value):
                await crash()
        case "wait":
            await asyncio.sleep(value / 1000)
        case "compute":
            _burn(value / 1000)


async def is_on(key: str) -> bool:
    """Whether the switch `key` is on: then the caller does what it must not do."""
    return await _value(key) > 0


async def refuses(key: str) -> bool:
    """Whether the fault `key` is to refuse this call."""
    return _hits(await _value(key))


def _hits(share: float) -> bool:
    return random.random() < share  # noqa: S311


async def _value(key: str) -> float:
    return await api.get_client().get_float_value_async(key, 0.0)


def _burn(seconds: float) -> None:
    """Compute on the event loop's own thread: that the loop stands still meanwhile is the fault."""
    end = time.thread_time() + seconds
    digest = b""
    while time.thread_time() < end:
        digest = hashlib.sha256(digest).digest()
