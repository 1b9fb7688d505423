"""What the Kubernetes platform reads from Deployments and pods."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from lightkube.models.core_v1 import EnvVar
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.core_v1 import Pod
from reelback_operator.engine.workload import Workload
from reelback_operator.platforms.tracks import workload

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DONE = {"observedGeneration": 2, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}


def template(release: str) -> dict[str, Any]:
    env = [
        {"name": "SENTRY_RELEASE", "value": release},
        {"name": "TOKEN", "valueFrom": {"fieldRef": {"fieldPath": "x"}}},
    ]
    return {"spec": {"containers": [{"name": "payment", "image": "payment:1", "env": env}]}}


def deployment(release: str, status: dict[str, Any], replicas: int = 2) -> Deployment:
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "payment"}}, "template": template(release)}
    return cast(
        Deployment,
        Deployment.from_dict({"metadata": {"name": "payment", "generation": 2}, "spec": spec, "status": status}),
    )


def pod(release: str, *, ready: bool = True, candidate: bool = False, going: float | None = None, **status: Any) -> Pod:
    """A pod; `going` is how many seconds of its grace period are left."""
    metadata: dict[str, Any] = {"name": "payment-x1", "labels": {"app": "payment"}}
    if candidate:
        metadata["labels"]["reelback.dev/track"] = "candidate"
    if going is not None:
        metadata["deletionTimestamp"] = (NOW + timedelta(seconds=going)).isoformat()
    status.setdefault("conditions", [{"type": "Ready", "status": str(ready)}])
    return cast(
        Pod, Pod.from_dict({"metadata": metadata, **template(release), "status": {"phase": "Running", **status}})
    )


def seen(target: Deployment, pods: list[Pod], candidate: Deployment | None = None) -> Workload:
    return workload("payment", target, candidate, pods, NOW)


def test_pods_with_earlier_faults_have_to_go_though_their_release_is_the_same() -> None:
    target = deployment("payment@1.4.0", DONE)
    faulty = pod("payment@1.4.0", going=20)
    assert faulty.spec
    faulty.spec.containers[0].env = [EnvVar("SENTRY_RELEASE", "payment@1.4.0"), EnvVar("REELBACK_FAULTS", "{}")]
    assert not seen(target, [pod("payment@1.4.0"), pod("payment@1.4.0"), faulty]).settled
    assert seen(target, [pod("payment@1.4.0"), pod("payment@1.4.0")]).settled


def test_a_quiet_workload() -> None:
    found = seen(deployment("payment@1.4.0", DONE), [pod("payment@1.4.0"), pod("payment@1.4.0")])
    assert (found.stable.release, found.stable.desired, found.stable.ready) == ("payment@1.4.0", 2, 2)
    assert (found.candidate, found.settled, found.stable.problem) == (None, True, None)
    assert (found.image, found.env) == ("payment:1", {"SENTRY_RELEASE": "payment@1.4.0"})


def test_pods_of_the_candidate_are_not_stable_ones() -> None:
    pods = [pod("payment@1.4.0"), pod("payment@1.4.0"), pod("payment@1.5.0", candidate=True)]
    candidate = deployment("payment@1.5.0", {"observedGeneration": 2}, replicas=1)
    found = seen(deployment("payment@1.4.0", DONE), pods, candidate)
    assert (found.stable.ready, found.settled) == (2, True)
    assert found.candidate is not None
    assert (found.candidate.release, found.candidate.desired, found.candidate.ready) == ("payment@1.5.0", 1, 1)


def test_a_candidate_lasts_until_its_last_pod_has_gone() -> None:
    draining = pod("payment@1.5.0", candidate=True, ready=False, going=10)
    found = seen(deployment("payment@1.4.0", DONE), [pod("payment@1.4.0"), draining])
    assert found.candidate is not None
    assert (found.candidate.release, found.candidate.desired, found.candidate.ready) == ("payment@1.5.0", 0, 0)


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


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes:\n no cpu"}


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
