"""What functions took, out of the SDKs' `profile_chunk` item: the sample format, version 2.

A sample is the stack of one thread at one moment, the innermost frame first. It stands for the time until the thread's
next one, so a thread that the sampler could not look at (something held the interpreter) is not forgotten.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from reelback_minisentry.store.keys import OTHER
from reelback_minisentry.store.records import Function, FunctionTime, Origin, Profile
from reelback_minisentry.timestamps import near
from reelback_minisentry.untrusted import obj, objects, text

VERSION = "2"
MAX_SECONDS = 66.0
"""What a chunk may span, as at Sentry; what a thread did later is left out."""

MAX_SAMPLES = 100_000
MAX_THREADS = 64
MAX_DEPTH = 128
MAX_STACKS = 2000
"""Samples that are read, threads that are told apart, frames of a stack, and stacks whose callers are looked at."""

FUNCTIONS = 40
"""How many of a chunk's functions are kept: those that took most themselves, and of the service's own as many whose
callees did. The rest of a thread's time is OTHER's."""


@dataclass(slots=True)
class _Figures:
    calls: int = 0
    own: float = 0.0
    callees: float = 0.0


def read(payload: dict[str, Any], project: str, now: float) -> list[Profile]:
    """What a chunk says: nothing when no time is in it, or it is of another version."""
    profile = obj(payload.get("profile"))
    if payload.get("version") != VERSION:
        return []
    functions = [_function(obj(frame)) for frame in _list(profile.get("frames"))]
    stacks = [_stack(stack, functions) for stack in _list(profile.get("stacks"))]
    spent, calls, ended = _samples(objects(profile.get("samples"), MAX_SAMPLES), stacks)
    if not spent:
        return []
    origin = Origin(text(payload.get("environment"), 64), project, text(payload.get("release")))
    return [Profile(near(ended, now), origin, _kept(_figures(spent, calls, stacks)))]


_Spent = dict[tuple[str, int], float]
"""Seconds by thread and stack."""

_Calls = Counter[tuple[str, Function]]
"""How often a thread was found in a function that it was not in a sample before."""


def _samples(samples: Iterable[dict[str, Any]], stacks: Sequence[Sequence[Function]]) -> tuple[_Spent, _Calls, float]:
    """What the samples say, and the time of the last. Those out of their order or without a stack are left out."""
    spent: defaultdict[tuple[str, int], float] = defaultdict(float)
    calls: _Calls = Counter()
    threads: dict[str, tuple[float, float, int]] = {}
    for sample in samples:
        at, stack = sample.get("timestamp"), sample.get("stack_id")
        if not isinstance(at, (int, float)) or not math.isfinite(at):
            continue
        if not isinstance(stack, int) or not 0 <= stack < len(stacks) or not stacks[stack]:
            continue
        thread = sample.get("thread_id")
        if not isinstance(thread, str):
            continue
        first, before, last = threads.get(thread, (at, -math.inf, -1))
        if not before < at <= first + MAX_SECONDS:
            continue
        if last >= 0:
            spent[thread, last] += at - before
        if last != stack and (last < 0 or stacks[last][0] != stacks[stack][0]):
            calls[thread, stacks[stack][0]] += 1
        threads[thread] = first, at, stack
    return spent, calls, max((at for _, at, _ in threads.values()), default=0.0)


def _figures(
    spent: _Spent, calls: _Calls, stacks: Sequence[Sequence[Function]]
) -> dict[tuple[str, Function], _Figures]:
    """By thread and function: how often, and how many seconds in itself and in what it called."""
    threads = list(dict.fromkeys(thread for thread, _ in spent))[:MAX_THREADS]
    names = {thread: text(thread, 32) for thread in threads}
    found: defaultdict[tuple[str, Function], _Figures] = defaultdict(_Figures)
    for at, (thread, stack) in enumerate(sorted(spent, key=spent.__getitem__, reverse=True)):
        seconds, name = spent[thread, stack], names.get(thread, OTHER)
        innermost, *callers = stacks[stack]
        found[name, innermost].own += seconds
        for function in {*callers} - {innermost} if at < MAX_STACKS else ():
            if function.is_application:
                found[name, function].callees += seconds
    for (thread, function), n in calls.items():
        found[names.get(thread, OTHER), function].calls += n
    return found


def _kept(figures: dict[tuple[str, Function], _Figures]) -> list[FunctionTime]:
    """Those with the greatest figures, and for each thread what the others took themselves."""
    rows = [
        FunctionTime(function, thread, of.calls, _microseconds(of.own), _microseconds(of.callees))
        for (thread, function), of in figures.items()
    ]
    hot = sorted((row for row in rows if row.own), key=attrgetter("own"), reverse=True)
    calling = sorted((row for row in rows if row.callees), key=attrgetter("callees"), reverse=True)
    kept = dict.fromkeys([*hot[:FUNCTIONS], *calling[:FUNCTIONS]])
    others: Counter[str] = Counter()
    for row in hot:
        if row not in kept:
            others[row.thread] += row.own
    nobody = Function(OTHER, OTHER, is_application=False)
    return [*kept, *(FunctionTime(nobody, thread, 0, own, 0) for thread, own in others.items())]


def _microseconds(seconds: float) -> int:
    return round(1e6 * seconds)


def _function(frame: dict[str, Any]) -> Function:
    """A frame without its line."""
    package = text(frame.get("module")) or text(frame.get("package"))
    return Function(text(frame.get("function")), package, frame.get("in_app") is True)


def _stack(indices: object, functions: Sequence[Function]) -> list[Function]:
    """The frames of a stack; those that it only names are left out."""
    return [
        functions[index]
        for index in _list(indices)[:MAX_DEPTH]
        if isinstance(index, int) and 0 <= index < len(functions)
    ]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
