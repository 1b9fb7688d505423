"""What the Kubernetes platform sees: Deployments and their pods, told as workloads and tracks. No I/O.

Pods are found by who owns them, not by labels: the Deployment's ReplicaSets, and of these the one with its template. So
a rolling update is followed pod by pod, and a candidate's pods, or a Job's with the same labels, are never counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from lightkube.models.core_v1 import PodTemplateSpec
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.core_v1 import Pod

from reelback_operator.platforms import pods as health
from reelback_operator.platforms.base import PATIENCE, Target, Template, Track, Workload
from reelback_operator.platforms.manifests import FIELD_MANAGER, candidate_name
from reelback_operator.platforms.pods import Ailment
from reelback_operator.platforms.releases import ConfigMaps, release
from reelback_operator.platforms.templates import Ambiguous, given, read

# On a Deployment: scenarios may change it.
CONSENT_LABEL, CONSENT = "reelback.dev/rollouts", "enabled"
# Kubernetes' own defaults.
PROGRESS_SECONDS, GRACE_SECONDS = 600, 30
# What a change may take beyond what the Deployment itself allows.
MARGIN = 30.0
# Whose writes say nothing of who runs the target.
_CONTROLLERS = frozenset({FIELD_MANAGER, "kube-controller-manager"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A Deployment with ReplicaSets and pods, its own among them."""

    deployment: Deployment
    replica_sets: Sequence[ReplicaSet] = ()
    pods: Sequence[Pod] = ()


@dataclass(frozen=True, slots=True)
class Health:
    """A workload, and what ails its tracks: the ailments' last words are still to be read."""

    workload: Workload
    stable: Ailment | None = None
    candidate: Ailment | None = None


@dataclass(slots=True)
class _Instances:
    """The pods of a Deployment: those of its template, and others that may still serve."""

    current: list[Pod] = field(default_factory=list)
    others: list[Pod] = field(default_factory=list)


def workload(target: Target, seen: Seen, candidate: Deployment | None, maps: ConfigMaps, now: datetime) -> Health:
    """One target as its Deployments show it at `now`. `seen` has the pods of both."""
    spec = given(seen.deployment.spec)
    instances = _instances(target, seen, now)
    obstacle = _obstacle(seen.deployment)
    stable, ailment = Track("", _desired(seen.deployment), 0), None
    try:
        stable, ailment = _track(target, seen, instances, maps, now)
    except Ambiguous as error:
        obstacle = obstacle or str(error)
    beside, ailing = _candidate(target, candidate, seen, maps, now)
    grace = given(spec.template.spec).terminationGracePeriodSeconds
    patience = max(
        PROGRESS_SECONDS if spec.progressDeadlineSeconds is None else spec.progressDeadlineSeconds,
        (spec.minReadySeconds or 0) + (GRACE_SECONDS if grace is None else grace),
        PATIENCE,
    )
    return Health(
        Workload(
            name=target.name,
            stable=stable,
            candidate=beside,
            settled=_rolled_out(seen.deployment) and not instances.others,
            obstacle=obstacle,
            patience=patience + MARGIN,
            writer=_writer(seen.deployment),
        ),
        ailment,
        ailing,
    )


def earlier(target: Target, deployment: Deployment, replica_sets: Sequence[ReplicaSet], digest: str) -> Template | None:
    """A template that the Deployment has had, or has, by its digest."""
    uid = given(given(deployment.metadata).uid)
    templates = [_read(target, given(given(each.spec).template)) for each in replica_sets if _owned(each, uid)]
    return next((template for template in templates if template and template.digest == digest), None)


def _obstacle(deployment: Deployment) -> str:
    spec, labels = given(deployment.spec), given(deployment.metadata).labels or {}
    if labels.get(CONSENT_LABEL) != CONSENT:
        return f"has no label {CONSENT_LABEL}={CONSENT}, by which its owner agrees to rollouts"
    if spec.paused:
        return "is paused"
    if spec.revisionHistoryLimit == 0:
        return "keeps no old ReplicaSets (revisionHistoryLimit: 0), from which it would be rolled back"
    return "is scaled to zero" if _desired(deployment) == 0 else ""


def _candidate(
    target: Target, candidate: Deployment | None, seen: Seen, maps: ConfigMaps, now: datetime
) -> tuple[Track | None, Ailment | None]:
    """The candidate's track; it lasts, with nothing desired, until the last of its pods has gone."""
    if candidate is None or given(candidate.metadata).deletionTimestamp:
        leaving = any(_of_candidate(target, pod) and health.alive(pod, now) for pod in seen.pods)
        return (Track("", desired=0, ready=0), None) if leaving else (None, None)
    owner = next((each.name for each in given(candidate.metadata).ownerReferences or [] if each.controller), "")
    beside = replace(seen, deployment=candidate)
    try:
        track, ailment = _track(target, beside, _instances(target, beside, now), maps, now)
    except Ambiguous as error:
        return Track(f"of which the release {error}", _desired(candidate), ready=0, owner=owner), None
    return replace(track, owner=owner), ailment


def _of_candidate(target: Target, pod: Pod) -> bool:
    """Whether a candidate's ReplicaSet made the pod, though it and its Deployment may be gone already."""
    owners = [each.name.rpartition("-")[0] for each in given(pod.metadata).ownerReferences or []]
    return candidate_name(target.name) in owners


def _track(
    target: Target, seen: Seen, instances: _Instances, maps: ConfigMaps, now: datetime
) -> tuple[Track, Ailment | None]:
    deployment, spec = seen.deployment, given(seen.deployment.spec)
    containers = {container.name for container in given(spec.template.spec).containers}
    serving = [pod for pod in instances.current if not health.terminating(pod)]
    ailments = [found for pod in serving if (found := health.ailment(pod, containers, now))]
    # A pod's own reason says more than the Deployment's that it does not progress.
    ailment = ailments[0] if ailments else None
    problem = ailment.problem if ailment else _deployment_problem(deployment)
    track = Track(
        release=release(target, spec.template, maps),
        desired=_desired(deployment),
        ready=sum(health.ready(pod, spec.minReadySeconds or 0, now) for pod in serving),
        problem=problem,
        template=read(target, spec.template),
    )
    return track, ailment


def _instances(target: Target, seen: Seen, now: datetime) -> _Instances:
    found = _Instances()
    wanted = _read(target, given(seen.deployment.spec).template)
    templates = {
        given(given(each.metadata).uid): wanted is not None
        and _read(target, given(given(each.spec).template)) == wanted
        for each in seen.replica_sets
        if _owned(each, given(given(seen.deployment.metadata).uid))
    }
    for pod in seen.pods:
        owners = [each.uid for each in given(pod.metadata).ownerReferences or [] if each.uid in templates]
        if owners and health.alive(pod, now):
            (found.current if templates[owners[0]] else found.others).append(pod)
    return found


def _read(target: Target, template: PodTemplateSpec) -> Template | None:
    """The template, None where nobody can tell which container serves, as in a ReplicaSet of years ago."""
    try:
        return read(target, template)
    except Ambiguous:
        return None


def _owned(replica_set: ReplicaSet, uid: str) -> bool:
    return any(each.uid == uid for each in given(replica_set.metadata).ownerReferences or [])


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


def _deployment_problem(deployment: Deployment) -> str | None:
    """Pods that are not even made (a quota, pod security), or that make no progress."""
    if not _observed(deployment):
        return None
    for condition in (deployment.status.conditions if deployment.status else None) or []:
        stalled = condition.type == "Progressing" and condition.reason == "ProgressDeadlineExceeded"
        refused = condition.type == "ReplicaFailure" and condition.status == "True"
        if stalled or refused:
            return health.line(condition.reason, condition.message)
    return None


def _writer(deployment: Deployment) -> str:
    """Who wrote the Deployment's spec last, beside the operator."""
    entries = [
        entry
        for entry in given(deployment.metadata).managedFields or []
        if entry.manager and entry.manager not in _CONTROLLERS and not entry.subresource and entry.time
    ]
    return max(entries, key=lambda entry: given(entry.time)).manager or "" if entries else ""
