"""What the Kubernetes platform reads from Deployments and pods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from lightkube.models.meta_v1 import ManagedFieldsEntry
from lightkube.resources.apps_v1 import Deployment, ReplicaSet
from lightkube.resources.core_v1 import Pod
from reelback_operator.engine.model.workload import Workload
from reelback_operator.platforms.base import Change, Target
from reelback_operator.platforms.tracks import Health, Seen, workload

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DONE = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
TARGET = Target(name="payment")


def template(release: str, faults: str | None = None, track: str = "stable") -> dict[str, Any]:
    env = [
        {"name": "SENTRY_RELEASE", "value": release},
        {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}},
        *([{"name": "REELBACK_FAULTS", "value": faults}] if faults else []),
    ]
    labels = {"app": "payment", "reelback.dev/track": track}
    containers = [{"name": "proxy", "image": "proxy:1"}, {"name": "payment", "image": "payment:1", "env": env}]
    return {"metadata": {"labels": labels}, "spec": {"containers": containers}}


def deployment(release: str, status: dict[str, Any], replicas: int = 2, **spec: Any) -> Deployment:
    """The target; with the label of a candidate in `template` it is one."""
    candidate = spec.get("template", {}).get("metadata", {}).get("labels", {}).get("reelback.dev/track") == "candidate"
    metadata: dict[str, Any] = {
        "name": "payment",
        "uid": "d-payment",
        "generation": 2,
        "labels": {"reelback.dev/rollouts": "enabled"},
    }
    if candidate:
        owner = {"apiVersion": "x", "kind": "SentryScenario", "name": "trial", "uid": "u", "controller": True}
        metadata |= {"name": "payment-candidate", "uid": "d-candidate", "ownerReferences": [owner]}
    wanted = {"replicas": replicas, "selector": {"matchLabels": {"app": "payment"}}, "template": template(release)}
    found = Deployment.from_dict({"metadata": metadata, "spec": {**wanted, **spec}, "status": status})
    return cast(Deployment, found)


def candidate_of(release: str, status: dict[str, Any], replicas: int = 1) -> Deployment:
    return deployment(release, status, replicas, template=template(release, track="candidate"))


def pod(
    release: str,
    *,
    ready: bool = True,
    candidate: bool = False,
    going: float | None = None,
    faults: str | None = None,
    owner: str | None = None,
    **status: Any,
) -> Pod:
    """A pod of the ReplicaSet of this template; `going` is how many seconds of its grace period are left."""
    made = template(release, faults, "candidate" if candidate else "stable")
    name = f"payment{'-candidate' if candidate else ''}-{abs(hash((release, faults)))}"
    references = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": name, "uid": owner or name}]
    metadata: dict[str, Any] = {"name": "payment-x1", **made["metadata"], "ownerReferences": references}
    if going is not None:
        metadata["deletionTimestamp"] = (NOW + timedelta(seconds=going)).isoformat()
    status.setdefault("conditions", [{"type": "Ready", "status": str(ready)}])
    injected = {"name": "injected", "image": "mesh:1", "env": [{"name": "SENTRY_RELEASE", "value": "mesh@1"}]}
    spec = {"containers": [injected, *made["spec"]["containers"]]}
    return cast(Pod, Pod.from_dict({"metadata": metadata, "spec": spec, "status": {"phase": "Running", **status}}))


def replica_set(each: Pod) -> ReplicaSet:
    """The ReplicaSet that made a pod: its template is the pod's without what was put into the pod."""
    assert each.metadata
    assert each.metadata.ownerReferences
    assert each.spec
    [reference] = each.metadata.ownerReferences
    candidate = (each.metadata.labels or {})["reelback.dev/track"] == "candidate"
    env = {entry.name: entry.value for entry in each.spec.containers[-1].env or []}
    made = template(env["SENTRY_RELEASE"] or "", env.get("REELBACK_FAULTS"), "candidate" if candidate else "stable")
    made["metadata"]["labels"]["pod-template-hash"] = "abc"
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}
    uid = "d-candidate" if candidate else "d-payment"
    metadata = {"name": reference.name, "uid": reference.name, "ownerReferences": [{**owner, "uid": uid}]}
    return cast(ReplicaSet, ReplicaSet.from_dict({"metadata": metadata, "spec": {"selector": {}, "template": made}}))


def health(target: Deployment, pods: list[Pod], candidate: Deployment | None = None) -> Health:
    return workload(TARGET, Seen(target, [replica_set(each) for each in pods], pods), candidate, {}, NOW)


def seen(target: Deployment, pods: list[Pod], candidate: Deployment | None = None) -> Workload:
    return health(target, pods, candidate).workload


def test_pods_with_earlier_faults_have_to_go_though_their_release_is_the_same() -> None:
    target = deployment("payment@1.4.0", DONE)
    faulty = pod("payment@1.4.0", going=20, faults="{}")
    assert not seen(target, [pod("payment@1.4.0"), pod("payment@1.4.0"), faulty]).settled
    assert seen(target, [pod("payment@1.4.0"), pod("payment@1.4.0")]).settled


def test_a_jobs_pod_with_the_same_labels_is_nobody() -> None:
    migration = pod("payment@1.3.0", owner="job-1")
    found = workload(
        TARGET,
        Seen(deployment("payment@1.4.0", DONE), [replica_set(pod("payment@1.4.0"))], [pod("payment@1.4.0"), migration]),
        None,
        {},
        NOW,
    ).workload
    assert (found.stable.ready, found.settled) == (1, True)


@pytest.mark.parametrize(
    ("spec", "obstacle"),
    [
        ({"paused": True}, "is paused"),
        ({"replicas": 0}, "is scaled to zero"),
        ({"template": {"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}}, "none is named like it"),
        ({"template": {"spec": {"containers": [{"name": "app"}]}}}, "has no SENTRY_RELEASE"),
    ],
)
def test_what_keeps_a_run_from_beginning_is_named(spec: dict[str, Any], obstacle: str) -> None:
    assert obstacle in seen(deployment("payment@1.4.0", DONE, **spec), []).obstacle


def test_what_a_deployment_allows_itself_is_waited_for() -> None:
    slow = template("payment@1.4.0")
    slow["spec"]["terminationGracePeriodSeconds"] = 900
    assert seen(deployment("payment@1.4.0", DONE, template=slow, progressDeadlineSeconds=60), []).patience > 900
    assert seen(deployment("payment@1.4.0", DONE, progressDeadlineSeconds=300), []).patience > 300


def test_ready_is_as_long_as_the_deployment_says() -> None:
    since = (NOW - timedelta(seconds=10)).isoformat()
    pods = [pod("payment@1.4.0", conditions=[{"type": "Ready", "status": "True", "lastTransitionTime": since}])]
    assert seen(deployment("payment@1.4.0", DONE, minReadySeconds=5), pods).stable.ready == 1
    assert seen(deployment("payment@1.4.0", DONE, minReadySeconds=50), pods).stable.ready == 0


def test_who_wrote_last_is_told() -> None:
    target = deployment("payment@1.4.0", DONE)
    assert target.metadata
    target.metadata.managedFields = [
        ManagedFieldsEntry(manager="kubectl-edit", operation="Update", time=NOW),
        ManagedFieldsEntry(manager="argocd", operation="Apply", time=NOW + timedelta(seconds=1)),
        ManagedFieldsEntry(manager="reelback-operator", operation="Update", time=NOW + timedelta(seconds=2)),
        ManagedFieldsEntry(manager="x", operation="Update", subresource="status", time=NOW + timedelta(seconds=3)),
    ]
    assert seen(target, []).writer == "argocd"


def test_a_quiet_workload() -> None:
    found = seen(deployment("payment@1.4.0", DONE), [pod("payment@1.4.0"), pod("payment@1.4.0")])
    assert (found.stable.release, found.stable.desired, found.stable.ready) == ("payment@1.4.0", 2, 2)
    assert (found.candidate, found.settled, found.stable.problem) == (None, True, None)
    assert (found.stable.template.image, found.env) == ("payment:1", {"SENTRY_RELEASE": "payment@1.4.0"})
    assert list(found.stable.template.references) == ["TOKEN"]


def test_pods_of_the_candidate_are_not_stable_ones() -> None:
    pods = [pod("payment@1.4.0"), pod("payment@1.4.0"), pod("payment@1.5.0", candidate=True)]
    candidate = candidate_of("payment@1.5.0", {"observedGeneration": 2})
    found = seen(deployment("payment@1.4.0", DONE), pods, candidate)
    assert (found.stable.ready, found.settled) == (2, True)
    assert found.candidate is not None
    assert (found.candidate.release, found.candidate.desired, found.candidate.ready) == ("payment@1.5.0", 1, 1)
    assert found.candidate.owner == "trial"
    changed = found.stable.template.changed(Change("payment@1.5.0"))
    assert found.candidate.template.digest == changed.digest, "its track's label is not a change"


def test_a_candidate_lasts_until_its_last_pod_has_gone() -> None:
    draining = pod("payment@1.5.0", candidate=True, ready=False, going=10)
    found = seen(deployment("payment@1.4.0", DONE), [pod("payment@1.4.0"), draining])
    assert found.candidate is not None
    assert (found.candidate.desired, found.candidate.ready) == (0, 0)


@pytest.mark.parametrize(
    ("gone", "settled"),
    [
        (pod("payment@1.4.0", going=10), False),
        (pod("payment@1.4.0", going=-1), True),
        (pod("payment@1.4.0", phase="Failed"), True),
    ],
    ids=["draining", "overdue on a lost node", "evicted"],
)
def test_an_earlier_release_serves_until_its_pods_have_gone(gone: Pod, settled: bool) -> None:
    found = seen(deployment("payment@1.5.0", DONE), [pod("payment@1.5.0"), pod("payment@1.5.0"), gone])
    assert (found.stable.ready, found.settled) == (2, settled)


@pytest.mark.parametrize(
    "status",
    [
        {**DONE, "observedGeneration": 1},
        {**DONE, "updatedReplicas": 1},
        {**DONE, "replicas": 3},
        {},
    ],
)
def test_a_rollout_that_is_on_has_not_settled(status: dict[str, Any]) -> None:
    found = seen(deployment("payment@1.5.0", status), [pod("payment@1.5.0")])
    assert not found.settled


def waiting(reason: str, message: str = "", ended: dict[str, Any] | None = None) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": message}}
    last = {"terminated": ended} if ended else {}
    status = {"name": "payment", "image": "", "imageID": "", "ready": False, "restartCount": 2}
    return {**status, "state": state, "lastState": last}


UNSCHEDULABLE = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/1 nodes:\n no cpu",
    "lastTransitionTime": (NOW - timedelta(seconds=30)).isoformat(),
}


def running(restarts: int, started: float, ended: dict[str, Any] | None = None) -> dict[str, Any]:
    """A container that has been running for `started` seconds."""
    state = {"running": {"startedAt": (NOW - timedelta(seconds=started)).isoformat()}}
    status = {"name": "payment", "image": "", "imageID": "", "ready": True, "restartCount": restarts}
    return {**status, "state": state, "lastState": {"terminated": ended} if ended else {}}


def unready(seconds: float) -> dict[str, Any]:
    since = (NOW - timedelta(seconds=seconds)).isoformat()
    return {"type": "Ready", "status": "False", "lastTransitionTime": since}


@pytest.mark.parametrize(
    ("status", "problem"),
    [
        (
            {"containerStatuses": [waiting("CrashLoopBackOff", "back-off", {"exitCode": 137, "reason": "OOMKilled"})]},
            "pod payment-x1: CrashLoopBackOff: payment ended with exit code 137 (OOMKilled)",
        ),
        (
            {"containerStatuses": [waiting("ImagePullBackOff", "no such image")]},
            "pod payment-x1: ImagePullBackOff: no such image",
        ),
        (
            {"initContainerStatuses": [waiting("CreateContainerConfigError", "no secret")]},
            "pod payment-x1: CreateContainerConfigError: no secret",
        ),
        ({"conditions": [UNSCHEDULABLE], "phase": "Pending"}, "pod payment-x1 is unschedulable: 0/1 nodes: no cpu"),
        (
            {"containerStatuses": [running(1, 5, {"exitCode": 1, "reason": "Error"})]},
            "pod payment-x1: payment ended with exit code 1 (Error)",
        ),
        (
            {"containerStatuses": [running(0, 60)], "conditions": [unready(10)]},
            "pod payment-x1 is not ready any more, for 10 s",
        ),
        ({"containerStatuses": [running(0, 60)], "conditions": [unready(70)]}, None),
        ({"containerStatuses": [running(0, 60)], "conditions": [unready(3)]}, None),
        (
            {"containerStatuses": [{**running(3, 60, {"exitCode": 1}), "name": "injected"}]},
            None,
        ),
        ({"containerStatuses": [waiting("ErrImagePull", "timeout")]}, None),
        ({"containerStatuses": [waiting("ContainerCreating")]}, None),
    ],
)
def test_a_pod_that_cannot_run_says_why_in_one_line(status: dict[str, Any], problem: str | None) -> None:
    found = seen(deployment("payment@1.4.0", DONE), [pod("payment@1.4.0", ready=False, **status)])
    assert found.stable.problem == problem


@pytest.mark.parametrize(
    ("condition", "observed", "problem"),
    [
        (("Progressing", "False", "ProgressDeadlineExceeded", "timed out"), 2, "ProgressDeadlineExceeded: timed out"),
        (("ReplicaFailure", "True", "FailedCreate", "exceeded quota"), 2, "FailedCreate: exceeded quota"),
        (("Progressing", "False", "ProgressDeadlineExceeded", "of the last change"), 1, None),
        (("Progressing", "True", "NewReplicaSetAvailable", "fine"), 2, None),
    ],
)
def test_a_deployment_that_makes_no_pods_says_why(
    condition: tuple[str, str, str, str], observed: int, problem: str | None
) -> None:
    conditions = [dict(zip(("type", "status", "reason", "message"), condition, strict=True))]
    found = seen(deployment("payment@1.5.0", {**DONE, "observedGeneration": observed, "conditions": conditions}), [])
    assert found.stable.problem == problem
