"""What the Kubernetes platform creates and patches: pure functions from objects to objects.

A candidate is a second Deployment beside the target. Its pods keep the labels that the Service selects, so they are
behind the same address; its selector is the target's with the track `candidate`. Where the target's own selector names
no track, it matches the candidate's pods too, which is harmless: a Deployment works through its ReplicaSets, whose
selectors also hold a pod-template-hash, and neither adopts what another controller owns.
"""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any, cast

from lightkube.models.apps_v1 import DeploymentSpec
from lightkube.models.core_v1 import Container, EnvVar
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta, OwnerReference
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import CronJob, Job

from reelback_operator.platforms.base import Change, Target
from reelback_operator.platforms.templates import CANDIDATE, TRACK_LABEL, given, main_container

FIELD_MANAGER = "reelback-operator"
LOAD_NAME = "load"
LOAD_VARIABLES = ("LOAD_RPS", "LOAD_BROWSERS")
BROWSER_VARIABLE = "LOAD_HAS_BROWSER"
SCENARIO_LABEL = "reelback.dev/scenario"
MANAGED_BY = {"app.kubernetes.io/managed-by": "reelback-operator"}


def candidate_name(name: str) -> str:
    """The name of the Deployment that runs a target's candidate."""
    return f"{name}-{CANDIDATE}"


def variables(target: Target, container: Container, change: Change) -> list[EnvVar]:
    """The container's variables with the change applied, in their order: a later one may refer to an earlier one.

    Of a variable that is there twice the last one counts, so a changed one is there once, in the place of the first.
    """
    wanted: dict[str, EnvVar | None] = {
        name: None if value is None else EnvVar(name, value) for name, value in change.env.items()
    }
    if change.release:
        wanted[target.variable] = EnvVar(target.variable, change.release)
    for name, text in change.references.items():
        wanted[name] = cast(EnvVar, EnvVar.from_dict({"name": name, "valueFrom": json.loads(text)}))
    changed, done = [], set[str]()
    for entry in container.env or []:
        if entry.name not in wanted:
            changed.append(entry)
        elif entry.name not in done:
            done.add(entry.name)
            changed += [new] if (new := wanted[entry.name]) else []
    return changed + [new for name, new in wanted.items() if new and name not in done]


def candidate_deployment(
    target: Target, deployment: Deployment, change: Change, replicas: int, owner: OwnerReference
) -> Deployment:
    """The Deployment of a target's candidate: a copy of the pod template with the change applied.

    It does not take over the labels of the target's own metadata: tools that installed the target (Helm, Argo CD)
    find their objects by them, and would prune one that they do not know. Raises Ambiguous.
    """
    metadata, spec = given(deployment.metadata), given(deployment.spec)
    template = deepcopy(spec.template)
    track = {TRACK_LABEL: CANDIDATE}
    annotations = template.metadata.annotations if template.metadata else None
    labels = (template.metadata.labels if template.metadata else None) or {}
    template.metadata = ObjectMeta(labels=labels | track, annotations=annotations)
    container = main_container(target, template)
    container.env = variables(target, container, change)
    container.image = change.image or container.image
    return Deployment(
        metadata=ObjectMeta(
            name=candidate_name(target.name),
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


def stable_patch(target: Target, deployment: Deployment, change: Change) -> list[dict[str, Any]]:
    """The JSON patch that applies a change to the target itself, and touches nothing else of it. Raises Ambiguous.

    It holds for the spec that was read, whatever the status is by now. A strategic merge would stumble over what
    `kubectl create` takes: a variable that is there twice.
    """
    template = given(deployment.spec).template
    container = main_container(target, template)
    place = f"/spec/template/spec/containers/{given(template.spec).containers.index(container)}"
    env = [entry.to_dict() for entry in variables(target, container, change)]
    image = [{"op": "replace", "path": f"{place}/image", "value": change.image}] if change.image else []
    same = {"op": "test", "path": "/metadata/generation", "value": given(deployment.metadata).generation}
    return [same, {"op": "add", "path": f"{place}/env", "value": env}, *image]


def ownership_patch(deployment: Deployment) -> list[dict[str, Any]]:
    """The JSON patch by which the operator owns no field of the target any more; empty when it owns none.

    Otherwise the team's own `kubectl apply --server-side` would be refused, field by field.
    """
    entries = given(deployment.metadata).managedFields or []
    mine = [number for number, entry in enumerate(entries) if entry.manager == FIELD_MANAGER]
    if len(mine) == len(entries):  # an empty list would have the API server begin a new one, and give us all of it
        return [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]}] if mine else []
    patch: list[dict[str, Any]] = []
    for place in (f"/metadata/managedFields/{number}" for number in reversed(mine)):
        patch.append({"op": "test", "path": f"{place}/manager", "value": FIELD_MANAGER})
        patch.append({"op": "remove", "path": place})
    return patch


def load_job(cronjob: CronJob, rps: float, browsers: int, owner: OwnerReference) -> Job:
    """The Job that runs the players now, as `kubectl create job --from=cronjob/load` makes it: `rps` requests/s, and so
    many browsers."""
    source = given(cronjob.spec).jobTemplate
    spec = deepcopy(given(source.spec))
    container = main_container(Target(name=LOAD_NAME), spec.template)
    asked = dict(zip(LOAD_VARIABLES, (f"{rps:g}", str(browsers)), strict=True))
    others = [entry for entry in container.env or [] if entry.name not in asked]
    container.env = [*others, *(EnvVar(name, value) for name, value in asked.items())]
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


def players(job: Job) -> dict[str, str | None]:
    """The rate and the browsers that a Job of players was made with, as they stand in its variables."""
    return {name: value for name, value in _variables(job).items() if name in LOAD_VARIABLES}


def has_browser(job: Job) -> bool:
    """Whether the image of a Job of players has a browser, as the chart says."""
    return _variables(job).get(BROWSER_VARIABLE) == "true"


def _variables(job: Job) -> dict[str, str | None]:
    container = main_container(Target(name=LOAD_NAME), given(job.spec).template)
    return {entry.name: entry.value for entry in container.env or []}
