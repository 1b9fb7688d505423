"""The health of pods: what keeps one from serving that will not pass by itself, in one line. No I/O."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from lightkube.models.core_v1 import ContainerStatus, PodCondition
from lightkube.resources.core_v1 import Pod

from reelback_operator.platforms.templates import given

# What the kubelet does not get over by itself within seconds; a single ErrImagePull may be the network's.
STUCK = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
    }
)
# A scheduler may find a place meanwhile, a probe may fail once.
UNSCHEDULABLE = timedelta(seconds=20)
UNREADY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Ailment:
    """What is wrong with a pod, and where its last words are: in a container's log, if it ran, before it ended."""

    problem: str
    pod: str
    container: str | None = None
    previous: bool = False


def ready(pod: Pod, seconds: int, now: datetime) -> bool:
    """Whether the pod has been ready for so many seconds."""
    condition = _condition(pod, "Ready")
    if condition is None or condition.status != "True":
        return False
    return not seconds or (condition.lastTransitionTime or now) <= now - timedelta(seconds=seconds)


def terminating(pod: Pod) -> bool:
    """Whether the pod is on its way out."""
    return given(pod.metadata).deletionTimestamp is not None


def alive(pod: Pod, now: datetime) -> bool:
    """Whether the pod may still serve: not ended, and not past the end of its grace period (its node may be lost)."""
    ended = pod.status is not None and pod.status.phase in ("Succeeded", "Failed")
    deadline = given(pod.metadata).deletionTimestamp
    return not ended and not (deadline is not None and deadline < now)


def ailment(pod: Pod, containers: Collection[str], now: datetime) -> Ailment | None:
    """What is wrong with a pod; only `containers` are its template's own, others were put in by the cluster."""
    name, status = given(given(pod.metadata).name), pod.status
    if status is None or terminating(pod):
        return None
    if status.phase == "Failed":
        return Ailment(line(f"pod {name} failed", status.message or status.reason), name)
    scheduled = _condition(pod, "PodScheduled")
    if scheduled and scheduled.reason == "Unschedulable" and _since(scheduled, now) > UNSCHEDULABLE:
        return Ailment(line(f"pod {name} is unschedulable", scheduled.message), name)
    own = [each for each in status.containerStatuses or [] if each.name in containers]
    found = [_stuck(name, each) for each in status.initContainerStatuses or []]
    found += [_crashed(name, each) or _stuck(name, each) for each in own]
    if ailing := next((each for each in found if each), None):
        return ailing
    condition = _condition(pod, "Ready")
    if condition and condition.status == "False" and _was_ready(condition, own) and _since(condition, now) > UNREADY:
        seconds = _since(condition, now).total_seconds()
        return Ailment(line(f"pod {name} is not ready any more, for {seconds:.0f} s", condition.message), name)
    return None


def _crashed(pod: str, container: ContainerStatus) -> Ailment | None:
    """A container that has ended, though it may run again: what it served at its end was never told."""
    now = container.state.terminated if container.state else None
    before = container.lastState.terminated if container.lastState else None
    ended = now or before
    if ended is None:
        return None
    reason = f" ({ended.reason})" if ended.reason else ""
    waiting = container.state.waiting if container.state else None
    stuck = f"{waiting.reason}: " if waiting and waiting.reason in STUCK else ""
    problem = f"pod {pod}: {stuck}{container.name} ended with exit code {ended.exitCode}{reason}"
    return Ailment(line(problem, ended.message), pod, container.name, previous=now is None)


def _stuck(pod: str, container: ContainerStatus) -> Ailment | None:
    waiting = container.state.waiting if container.state else None
    if waiting is None or waiting.reason not in STUCK:
        return None
    return Ailment(line(f"pod {pod}: {waiting.reason}", waiting.message), pod)


def _was_ready(condition: PodCondition, containers: list[ContainerStatus]) -> bool:
    """Whether it became unready after its containers had started: one that has never been ready only starts slowly."""
    started = [each.state.running.startedAt for each in containers if each.state and each.state.running]
    changed = condition.lastTransitionTime
    return bool(started) and changed is not None and all(each and changed > each for each in started)


def _condition(pod: Pod, kind: str) -> PodCondition | None:
    conditions = (pod.status.conditions if pod.status else None) or []
    return next((condition for condition in conditions if condition.type == kind), None)


def _since(condition: PodCondition, now: datetime) -> timedelta:
    return now - (condition.lastTransitionTime or now)


def line(what: str | None, why: str | None) -> str:
    """One line that names the problem, and its cause when one is known."""
    return " ".join((f"{what}: {why}" if why else f"{what}").split())[:300]
