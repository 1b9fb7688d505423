"""Who may create a scenario: whoever may patch the Deployments that it names, and nobody else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.apiserver.server import NAMESPACE, Cluster

AUTHOR = "--as=author"
RULES = {
    "scenarios": {"apiGroups": ["reelback.dev"], "resources": ["sentryscenarios"], "verbs": ["*"]},
    "payment": {"apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["payment"], "verbs": ["patch"]},
}


def scenario(name: str, *targets: str, faults: str = "") -> dict[str, Any]:
    checks = [{"name": "errors", "type": "ErrorRate", "method": "Sequential"}]
    spec: dict[str, Any] = {"analysis": {"checks": checks}}
    if targets:
        spec["release"] = {"version": "1.5.0", "targets": [{"name": target} for target in targets]}
    if faults:
        values = {"payment.charge.error_rate": "1"}
        spec["faults"] = [{"target": faults, "values": values, "after": "1s", "duration": "5s"}]
        spec["analysis"] = {
            "deadline": "60s",
            "checks": [
                {
                    "name": "m",
                    "type": "Metric",
                    "metric": "x.y",
                    "kind": "gauge",
                    "aggregate": "avg",
                    "window": "10s",
                    "max": "1",
                }
            ],
        }
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": "reelback.dev/v1alpha1", "kind": "SentryScenario", "metadata": metadata, "spec": spec}


def apply(cluster: Cluster, document: dict[str, Any], *more: str) -> str:
    """What is said when the author applies it; empty when it was taken."""
    done = cluster.kubectl("apply", "-f", "-", AUTHOR, *more, stdin=document)
    return "" if done.returncode == 0 else done.stderr


@pytest.fixture
def author(cluster: Cluster) -> Iterator[Cluster]:
    """Somebody who may write scenarios, and patch payment."""
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "author", "namespace": NAMESPACE}}
    subject = {"kind": "User", "name": "author", "apiGroup": "rbac.authorization.k8s.io"}
    reference = {"kind": "Role", "name": "author", "apiGroup": "rbac.authorization.k8s.io"}
    cluster.apply({**role, "kind": "Role", "rules": [*RULES.values()]})
    cluster.apply({**role, "kind": "RoleBinding", "subjects": [subject], "roleRef": reference})
    end = time.monotonic() + 30
    while not apply(cluster, scenario("early", "user"), "--dry-run=server"):  # a policy that is new takes a moment
        assert time.monotonic() < end, "the policy never began"
        time.sleep(0.2)
    yield cluster
    cluster.kubectl("delete", "sentryscenarios", "--all", "-n", NAMESPACE)
    cluster.kubectl("delete", "role,rolebinding", "author", "-n", NAMESPACE)


def test_a_scenario_is_for_deployments_that_its_author_may_patch(author: Cluster) -> None:
    assert apply(author, scenario("mine", "payment")) == ""
    refused = apply(author, scenario("theirs", "payment", "user", "game"))
    assert "who creates a scenario must be allowed to patch its Deployments: user" in refused
    assert author.get("sentryscenario", "theirs") is None


def test_faults_change_deployments_too(author: Cluster) -> None:
    assert apply(author, scenario("mine", faults="payment")) == ""
    assert "its Deployments: user" in apply(author, scenario("theirs", faults="user"))


def test_nobody_turns_a_scenario_to_another_target_and_everybody_may_annotate_it(author: Cluster) -> None:
    assert apply(author, scenario("mine", "payment")) == ""
    other = scenario("mine", "user")
    assert "its Deployments: user" in apply(author, other)
    # Somebody else's scenario, on what the author may not patch: what is asked for does not change.
    author.apply(scenario("theirs", "user"))
    done = author.kubectl("annotate", "sentryscenario", "theirs", "note=seen", "-n", NAMESPACE, AUTHOR)
    assert done.returncode == 0, done.stderr
