"""Faults in what already runs: the same release with another value of one variable, and afterwards exactly the old one.

Each is written down before it is asked for, with the pre-image that takes it back, so an operator that was killed
knows what is its own. A value that is neither the one before nor the one during is somebody else's and is left alone.
"""

from __future__ import annotations

import json
import math
from datetime import datetime

from reelback_operator.engine.model.actions import SetStable
from reelback_operator.engine.model.spec import Fault, Spec
from reelback_operator.engine.model.status import FaultStatus, Phase, Status
from reelback_operator.engine.model.workload import FAULTS_VARIABLE, Change, Template, Workload
from reelback_operator.engine.phases.run import Step

# How soon a fault that is being switched is looked at again.
_BRISK = 1.0


def readable(workload: Workload) -> bool:
    """Whether the faults that the workload has already can be told, so that others can join them."""
    try:
        return isinstance(_present(workload), dict)
    except ValueError:
        return False


def before(fault: Fault, workload: Workload) -> FaultStatus:
    """What the target's faults are before the run, and what they will be."""
    values = {key: int(value) if value.is_integer() else value for key, value in fault.values.items()}
    return FaultStatus(
        target=fault.target,
        release=workload.stable.release,
        template=_rest(workload),
        before=workload.env.get(FAULTS_VARIABLE),
        during=json.dumps(_present(workload) | values),
    )


def drive(run: Step, *, begin: bool = True) -> None:
    """Switch on what is due, keep on what is on, and switch off what is over. None begins unless `begin`."""
    for fault, wanted in _wanted(run.spec, run.status):
        if fault.gone_at is not None:
            continue
        if fault.asked_at is None:
            if not begin or run.seconds_since(run.status.changing_since) < wanted.after:
                continue
            fault.asked_at = run.now
            run.note("FaultAsked", f"{fault.target}: {FAULTS_VARIABLE} {fault.during}")
        if fault.serving_at is None or run.seconds_since(fault.serving_at) < wanted.duration:
            if _has(run, fault, fault.during) and fault.serving_at is None:
                fault.serving_at = run.now
                run.note("FaultServing", f"{fault.target} for {wanted.duration:g} s")
        else:
            _end(run, fault)


def take_back(run: Step) -> bool:
    """Whether every target is as it was; else ask for that."""
    on = [fault for fault in run.status.faults if _is_on(fault)]
    for fault in on:
        _end(run, fault)
    return not any(_is_on(fault) for fault in on)


def any_on(status: Status) -> bool:
    """Whether a fault may be on somewhere."""
    return any(_is_on(fault) for fault in status.faults)


def over(status: Status) -> bool:
    """Whether every fault has come and gone."""
    return all(fault.gone_at is not None for fault in status.faults)


def stuck(run: Step) -> str:
    """The target in which a fault can be brought neither in nor out, or nothing."""
    for fault, wanted in _wanted(run.spec, run.status):
        if _is_on(fault):
            since = run.seconds_since(fault.serving_at or fault.asked_at)
            if min(since - (wanted.duration if fault.serving_at else 0.0), run.stalled) > run.patience:
                return fault.target
    return ""


def stranger(run: Step) -> str:
    """What somebody else did to a target that makes the fault meaningless, or nothing."""
    for fault in run.status.faults:
        workload = run.workload(fault.target)
        if workload is None:
            return f"{fault.target} was deleted during the run"
        by = f" by {workload.writer}" if workload.writer else ""
        if workload.stable.release != fault.release:
            return f"{fault.target} was changed to {workload.stable.release} during the run{by}"
        if workload.env.get(FAULTS_VARIABLE) not in (fault.before, fault.during):
            return f"{fault.target} was given another {FAULTS_VARIABLE} during the run{by}"
        if _rest(workload) != fault.template:
            return f"{fault.target} was given another template during the run{by}"
    return ""


def pause(spec: Spec, status: Status, now: datetime) -> float:
    """Seconds until a fault has to be seen to, so that none is late by a whole interval; infinite when none has."""
    soonest = math.inf
    for fault, wanted in _wanted(spec, status) if status.phase == Phase.ANALYZING else ():
        left = 0.0
        if fault.serving_at:
            left = wanted.duration - (now - fault.serving_at).total_seconds()
        elif not fault.asked_at and status.changing_since:
            left = wanted.after - (now - status.changing_since).total_seconds()
        waiting = not fault.asked_at and left <= 0  # for the checks to be well, which only the next look can tell
        if not waiting and not fault.gone_at:
            soonest = min(soonest, max(left, _BRISK))
    return soonest


def _rest(workload: Workload) -> str:
    """The digest of a template but for its faults."""
    template = workload.stable.template
    env = {name: value for name, value in template.env.items() if name != FAULTS_VARIABLE}
    return Template(template.image, env, template.references, template.rest).digest


def _present(workload: Workload) -> dict[str, float]:
    present: dict[str, float] = json.loads(workload.env.get(FAULTS_VARIABLE) or "{}")
    return present


def _wanted(spec: Spec, status: Status) -> list[tuple[FaultStatus, Fault]]:
    """What is written down of each fault, with what was asked for."""
    wanted = {fault.target: fault for fault in spec.faults}
    return [(fault, wanted[fault.target]) for fault in status.faults]


def _is_on(fault: FaultStatus) -> bool:
    return fault.asked_at is not None and fault.gone_at is None


def _end(run: Step, fault: FaultStatus) -> None:
    """Take one fault back; one that somebody else took away, or replaced, is gone."""
    workload = run.workload(fault.target)
    if run.seen.workloads is None:
        return
    ours = workload is not None and workload.env.get(FAULTS_VARIABLE) in (fault.before, fault.during)
    if not ours or _has(run, fault, fault.before):
        fault.gone_at = run.now
        run.note("FaultGone", fault.target)


def _has(run: Step, fault: FaultStatus, value: str | None) -> bool:
    """Whether every instance of the target has this value; else ask for it, also when somebody reset it."""
    workload = run.workload(fault.target)
    if workload is None:
        return False
    if workload.env.get(FAULTS_VARIABLE) != value:
        run.actions.append(SetStable(run.target(fault.target), Change(env={FAULTS_VARIABLE: value})))
        return False
    return workload.settled and workload.stable.ready > 0
