"""What the Kubernetes platform sees: Deployments and their pods, told as workloads and tracks. No I/O.

A pod says itself what it serves (release and faults, variables in its spec) and which track it belongs to (its label).
So a rolling update is followed pod by pod, and a candidate's pods are never counted as stable ones although the
target's selector matches them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from lightkube.models.core_v1 import Container, ContainerStatus, PodTemplateSpec
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod

from reelback_operator.engine.workload import FAULTS_VARIABLE
from reelback_operator.platforms.base import Track, Workload
from reelback_operator.platforms.manifests import (
    CANDIDATE,
    RELEASE_VARIABLE,
    TRACK_LABEL,
    given,
    main_container,
    plain_env,
)

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


def workload(
    name: str, target: Deployment, candidate: Deployment | None, pods: Iterable[Pod], now: datetime
) -> Workload:
    """One target as its Deployments and all pods that its selector matches show it at `now`."""
    alive = [pod for pod in pods if _alive(pod, now)]
    beside = [pod for pod in alive if _is_candidate(pod)]
    stable = [pod for pod in alive if not _is_candidate(pod)]
    container = main_container(name, given(target.spec).template)
    stable_track = _track(name, target, stable)
    return Workload(
        name=name,
        stable=stable_track,
        candidate=_candidate_track(name, candidate, beside),
        settled=_rolled_out(target) and all(_serves(name, pod) == _serves_in(container) for pod in stable),
        image=container.image,
        env=plain_env(container),
    )


def _candidate_track(name: str, candidate: Deployment | None, pods: Sequence[Pod]) -> Track | None:
    """The candidate's track; it lasts, with nothing desired, until the last of its pods has gone."""
    if candidate is not None:
        return _track(name, candidate, pods)
    return Track(_release(name, pods[0]), desired=0, ready=0) if pods else None


def _track(name: str, deployment: Deployment, pods: Iterable[Pod]) -> Track:
    release = plain_env(main_container(name, given(deployment.spec).template)).get(RELEASE_VARIABLE, "")
    mine = [pod for pod in pods if _release(name, pod) == release and not _terminating(pod)]
    problems = [problem for problem in [_deployment_problem(deployment), *map(_pod_problem, mine)] if problem]
    return Track(
        release=release,
        desired=_desired(deployment),
        ready=sum(_ready(pod) for pod in mine),
        # A pod's own reason says more than the Deployment's that it does not progress.
        problem=problems[-1] if problems else None,
    )


def _rolled_out(deployment: Deployment) -> bool:
    """Whether the Deployment's controller has seen the last change and replaced every pod."""
    status, wanted = deployment.status, _desired(deployment)
    return (
        status is not None
        and _observed(deployment)
        and (status.updatedReplicas or 0) == (status.replicas or 0) == wanted
    )


def _observed(deployment: Deployment) -> bool:
    """Whether the status speaks of the spec as it is now."""
    observed = deployment.status.observedGeneration if deployment.status else None
    return (observed or 0) >= (given(deployment.metadata).generation or 0)


def _desired(deployment: Deployment) -> int:
    replicas = given(deployment.spec).replicas
    return 1 if replicas is None else replicas


def _is_candidate(pod: Pod) -> bool:
    return bool(pod.metadata and pod.metadata.labels and pod.metadata.labels.get(TRACK_LABEL) == CANDIDATE)


def _terminating(pod: Pod) -> bool:
    return given(pod.metadata).deletionTimestamp is not None


def _alive(pod: Pod, now: datetime) -> bool:
    """Whether the pod may still serve: not ended, and not past the end of its grace period (its node may be lost)."""
    ended = pod.status is not None and pod.status.phase in ("Succeeded", "Failed")
    deadline = given(pod.metadata).deletionTimestamp
    overdue = deadline is not None and deadline < now
    return not ended and not overdue


def _release(name: str, pod: Pod) -> str:
    return plain_env(main_container(name, PodTemplateSpec(spec=given(pod.spec)))).get(RELEASE_VARIABLE, "")


def _serves(name: str, pod: Pod) -> tuple[str | None, str | None]:
    return _serves_in(main_container(name, PodTemplateSpec(spec=given(pod.spec))))


def _serves_in(container: Container) -> tuple[str | None, str | None]:
    """Release and faults: what tells one state of a workload from another."""
    env = plain_env(container)
    return env.get(RELEASE_VARIABLE), env.get(FAULTS_VARIABLE)


def _ready(pod: Pod) -> bool:
    conditions = (pod.status.conditions if pod.status else None) or []
    return any(condition.type == "Ready" and condition.status == "True" for condition in conditions)


def _deployment_problem(deployment: Deployment) -> str | None:
    """Pods that are not even made (a quota, pod security), or that make no progress."""
    if not _observed(deployment):
        return None
    for condition in (deployment.status.conditions if deployment.status else None) or []:
        stalled = condition.type == "Progressing" and condition.reason == "ProgressDeadlineExceeded"
        refused = condition.type == "ReplicaFailure" and condition.status == "True"
        if stalled or refused:
            return _line(condition.reason, condition.message)
    return None


def _pod_problem(pod: Pod) -> str | None:
    name, status = given(pod.metadata).name, pod.status
    if status is None:
        return None
    for condition in status.conditions or []:
        if condition.type == "PodScheduled" and condition.status == "False" and condition.reason == "Unschedulable":
            return _line(f"pod {name} is unschedulable", condition.message)
    for container in [*(status.initContainerStatuses or []), *(status.containerStatuses or [])]:
        waiting = container.state.waiting if container.state else None
        if waiting is not None and waiting.reason in STUCK:
            return _line(f"pod {name}: {waiting.reason}", _ending(container) or waiting.message)
    return None


def _ending(container: ContainerStatus) -> str | None:
    """How the container ended the last time."""
    ended = container.lastState.terminated if container.lastState else None
    return f"{container.name} ended with exit code {ended.exitCode} ({ended.reason})" if ended else None


def _line(what: str | None, why: str | None) -> str:
    """One line that names the problem, and its cause when one is known."""
    return " ".join((f"{what}: {why}" if why else f"{what}").split())[:300]
