"""What the Kubernetes platform creates and patches: pure functions from objects to objects.

A candidate is a second Deployment beside the target. Its pods keep the labels that the Service selects, so they are
behind the same address; its selector is the target's with the track `candidate`. Where the target's own selector names
no track, it matches the candidate's pods too, which is harmless: a Deployment works through its ReplicaSets, whose
selectors also hold a pod-template-hash, and neither adopts what another controller owns.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any, TypeVar

from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import Container, EnvVar, PodTemplateSpec
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta, OwnerReference
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import CronJob, Job

from reelback_operator.platforms.base import Change, PlatformError

RELEASE_VARIABLE = "SENTRY_RELEASE"
LOAD_NAME = "load"
LOAD_VARIABLE = "LOAD_RPS"
TRACK_LABEL = "reelback.dev/track"
CANDIDATE = "candidate"
SCENARIO_LABEL = "reelback.dev/scenario"
MANAGED_BY = {"app.kubernetes.io/managed-by": "reelback-operator"}
T = TypeVar("T")


def given(value: T | None) -> T:
    """A field that every object from the API server has, though lightkube's types leave it optional."""
    if value is None:
        raise PlatformError("the API server left out a field that it always fills in")
    return value


def candidate_name(name: str) -> str:
    """The name of the Deployment that runs a target's candidate."""
    return f"{name}-{CANDIDATE}"


def main_container(name: str, template: PodTemplateSpec) -> Container:
    """The container that serves: the one named like the target, else the first."""
    containers = given(template.spec).containers
    return next((container for container in containers if container.name == name), containers[0])


def plain_env(container: Container) -> dict[str, str]:
    """The variables that are written out; those taken from a Secret, a ConfigMap or the pod's own fields are not."""
    return {entry.name: entry.value or "" for entry in container.env or [] if entry.valueFrom is None}


def _variables(name: str, container: Container, change: Change) -> dict[str, str | None]:
    """The variables that a change sets or, with None, removes; PlatformError when one of them is a reference."""
    wanted = {**change.env, RELEASE_VARIABLE: change.release}
    references = sorted(entry.name for entry in container.env or [] if entry.valueFrom and entry.name in wanted)
    if references:
        raise PlatformError(
            f"{name}: a release cannot change {', '.join(references)}, which is a reference (valueFrom)"
        )
    return wanted


def candidate_deployment(target: Deployment, change: Change, replicas: int, owner: OwnerReference) -> Deployment:
    """The Deployment of a target's candidate: a copy of the pod template with the change applied.

    It does not take over the labels of the target's own metadata: tools that installed the target (Helm, Argo CD)
    find their objects by them, and would prune one that they do not know.
    """
    metadata, spec = given(target.metadata), given(target.spec)
    name = given(metadata.name)
    template = deepcopy(spec.template)
    track = {TRACK_LABEL: CANDIDATE}
    annotations = template.metadata.annotations if template.metadata else None
    labels = (template.metadata.labels if template.metadata else None) or {}
    template.metadata = ObjectMeta(labels=labels | track, annotations=annotations)
    container = main_container(name, template)
    variables = _variables(name, container, change)
    # In place and in order: a later variable may refer to an earlier one as $(NAME).
    kept = [entry for entry in container.env or [] if variables.get(entry.name, "") is not None]
    for entry in kept:
        if entry.name in variables:
            entry.value = variables.pop(entry.name)
    container.env = kept + [EnvVar(key, value) for key, value in variables.items() if value is not None]
    container.image = change.image or container.image
    return Deployment(
        metadata=ObjectMeta(
            name=candidate_name(name),
            namespace=metadata.namespace,
            labels={**MANAGED_BY, SCENARIO_LABEL: owner.name, **track},
            ownerReferences=[owner],
        ),
        spec=DeploymentSpec(
            replicas=replicas,
            minReadySeconds=spec.minReadySeconds,
            progressDeadlineSeconds=spec.progressDeadlineSeconds,
            selector=LabelSelector(
                matchLabels=(spec.selector.matchLabels or {}) | track,
                matchExpressions=spec.selector.matchExpressions,
            ),
            template=template,
        ),
    )


def stable_patch(target: Deployment, change: Change) -> dict[str, Any]:
    """The strategic merge patch that applies a change to the target itself, and touches nothing else of it.

    `helm upgrade` merges three ways, so it leaves a variable that only the patch knows and puts back one of its own.
    """
    name = given(given(target.metadata).name)
    container = main_container(name, given(target.spec).template)
    variables = _variables(name, container, change)
    present = [entry.name for entry in container.env or [] if variables.get(entry.name, "") is not None]
    order = present + [key for key, value in variables.items() if value is not None and key not in present]
    patch: dict[str, Any] = {
        "name": container.name,
        # Without it the API server would put the patched ones first, and a later one may refer to an earlier one.
        "$setElementOrder/env": [{"name": key} for key in order],
        "env": [{"name": key, "value": variables[key]} for key in order if key in variables]
        + [{"name": key, "$patch": "delete"} for key, value in variables.items() if value is None],
    }
    if change.image is not None:
        patch["image"] = change.image
    return {"spec": {"template": {"spec": {"containers": [patch]}}}}


def load_job(cronjob: CronJob, rps: float, owner: OwnerReference) -> Job:
    """The Job that runs the players now, as `kubectl create job --from=cronjob/load` makes it, at `rps` requests/s."""
    source = given(cronjob.spec).jobTemplate
    spec = deepcopy(given(source.spec))
    container = main_container(LOAD_NAME, spec.template)
    others = [entry for entry in container.env or [] if entry.name != LOAD_VARIABLE]
    container.env = [*others, EnvVar(LOAD_VARIABLE, f"{rps:g}")]
    return Job(
        metadata=ObjectMeta(
            name=LOAD_NAME,
            namespace=given(cronjob.metadata).namespace,
            labels=((source.metadata.labels if source.metadata else None) or {})
            | MANAGED_BY
            | {SCENARIO_LABEL: owner.name},
            annotations={"cronjob.kubernetes.io/instantiate": "manual"},
            ownerReferences=[owner],
        ),
        spec=spec,
    )


def load_rps(job: Job) -> str | None:
    """The rate that a Job of players was made with, as it stands in its variable."""
    return plain_env(main_container(LOAD_NAME, given(job.spec).template)).get(LOAD_VARIABLE)
