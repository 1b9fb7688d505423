"""What the Kubernetes platform makes of a target: the candidate, the patch, the Job of players."""

from __future__ import annotations

import json
from typing import Any, cast

from lightkube.models.core_v1 import Container, EnvVar
from lightkube.models.meta_v1 import ManagedFieldsEntry, OwnerReference
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import CronJob
from reelback_operator.engine.model.workload import Change
from reelback_operator.platforms.base import Target
from reelback_operator.platforms.manifests import (
    candidate_deployment,
    load_job,
    ownership_patch,
    players,
    stable_patch,
    variables,
)
from reelback_operator.platforms.templates import given, read

OWNER = OwnerReference(apiVersion="reelback.dev/v1alpha1", kind="SentryScenario", name="trial", uid="u1")
SECRET = {"secretKeyRef": {"name": "stores", "key": "MONGODB_URL"}}
TARGET = Target(name="payment")


def payment(**selector: Any) -> Deployment:
    containers = [
        {"name": "sidecar", "image": "mesh:1", "env": [{"name": "SENTRY_RELEASE", "value": "mesh@1"}]},
        {
            "name": "payment",
            "image": "payment:1.4.0",
            "env": [
                {"name": "HOST", "value": "db"},
                {"name": "SENTRY_RELEASE", "value": "payment@1.4.0"},
                {"name": "URL", "value": "mongodb://$(HOST)"},
                {"name": "MONGODB_URL", "valueFrom": SECRET},
            ],
        },
    ]
    target = Deployment.from_dict(
        {
            "metadata": {
                "name": "payment",
                "namespace": "shop",
                "resourceVersion": "7",
                "generation": 3,
                "labels": {"app.kubernetes.io/managed-by": "Helm"},
            },
            "spec": {
                "replicas": 3,
                "selector": selector or {"matchLabels": {"app": "payment", "reelback.dev/track": "stable"}},
                "template": {
                    "metadata": {
                        "labels": {"app": "payment", "reelback.dev/track": "stable", "mesh": "on"},
                        "annotations": {"prometheus.io/scrape": "true"},
                    },
                    "spec": {"containers": containers, "serviceAccountName": "payment"},
                },
            },
        }
    )
    return cast(Deployment, target)


CHANGE = Change("payment@1.5.0", image="payment:1.5.0", env={"URL": None, "HOST": "db2", "REELBACK_FAULTS": "{}"})


def test_a_candidate_is_a_copy_with_the_change_in_the_container_that_serves() -> None:
    target = payment()
    candidate = candidate_deployment(TARGET, target, CHANGE, 2, OWNER).to_dict()
    template = candidate["spec"]["template"]
    sidecar, main = template["spec"]["containers"]
    assert sidecar["env"] == [{"name": "SENTRY_RELEASE", "value": "mesh@1"}]
    assert main["image"] == "payment:1.5.0"
    assert main["env"] == [
        {"name": "HOST", "value": "db2"},
        {"name": "SENTRY_RELEASE", "value": "payment@1.5.0"},
        {"name": "MONGODB_URL", "valueFrom": SECRET},
        {"name": "REELBACK_FAULTS", "value": "{}"},
    ]
    assert template["spec"]["serviceAccountName"] == "payment"
    assert template["metadata"]["annotations"] == {"prometheus.io/scrape": "true"}
    assert candidate["spec"]["replicas"] == 2
    assert target.to_dict() == payment().to_dict(), "the target itself was changed"


def test_a_candidate_is_selected_by_the_service_and_by_nobody_elses_deployment() -> None:
    candidate = candidate_deployment(TARGET, payment(), CHANGE, 1, OWNER).to_dict()
    assert candidate["metadata"]["name"] == "payment-candidate"
    assert candidate["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert "Helm" not in candidate["metadata"]["labels"].values()
    labels = candidate["spec"]["template"]["metadata"]["labels"]
    assert labels == {"app": "payment", "mesh": "on", "reelback.dev/track": "candidate"}
    assert candidate["spec"]["selector"]["matchLabels"] == {"app": "payment", "reelback.dev/track": "candidate"}


def test_a_selector_of_expressions_is_kept() -> None:
    expressions = [{"key": "app", "operator": "In", "values": ["payment"]}]
    selector = candidate_deployment(TARGET, payment(matchExpressions=expressions), CHANGE, 1, OWNER).to_dict()["spec"][
        "selector"
    ]
    assert selector == {"matchExpressions": expressions, "matchLabels": {"reelback.dev/track": "candidate"}}


def test_a_patch_changes_what_it_names_in_its_place_and_holds_for_what_was_read() -> None:
    assert stable_patch(TARGET, payment(), CHANGE) == [
        {"op": "test", "path": "/metadata/generation", "value": 3},
        {
            "op": "add",
            "path": "/spec/template/spec/containers/1/env",
            "value": [
                {"name": "HOST", "value": "db2"},
                {"name": "SENTRY_RELEASE", "value": "payment@1.5.0"},
                {"name": "MONGODB_URL", "valueFrom": SECRET},
                {"name": "REELBACK_FAULTS", "value": "{}"},
            ],
        },
        {"op": "replace", "path": "/spec/template/spec/containers/1/image", "value": "payment:1.5.0"},
    ]


def test_what_the_engine_expects_is_what_is_made() -> None:
    before = read(TARGET, given(payment().spec).template)
    made = candidate_deployment(TARGET, payment(), CHANGE, 1, OWNER)
    assert read(TARGET, given(made.spec).template).digest == before.changed(CHANGE).digest != before.digest


def test_a_reference_that_a_release_replaces_is_put_back() -> None:
    made = candidate_deployment(
        TARGET, payment(), Change("payment@1.5.0", env={"MONGODB_URL": "mongodb://x"}), 1, OWNER
    )
    back = Change(None, env={"SENTRY_RELEASE": "payment@1.4.0"}, references={"MONGODB_URL": json.dumps(SECRET)})
    container = given(made.spec).template.spec.containers[1]  # type: ignore[union-attr]
    restored = [entry.to_dict() for entry in variables(TARGET, container, back)]
    original = given(payment().spec).template.spec.containers[1].env or []  # type: ignore[union-attr]
    assert restored == [entry.to_dict() for entry in original]


def test_a_variable_that_is_there_twice_is_there_once_when_it_is_changed() -> None:
    container = Container("payment", env=[EnvVar("A", "1"), EnvVar("B", "2"), EnvVar("A", "3"), EnvVar("B", "4")])
    changed = variables(TARGET, container, Change("payment@1.5.0", env={"A": "5"}))
    assert [(entry.name, entry.value) for entry in changed] == [
        ("A", "5"),
        ("B", "2"),
        ("B", "4"),
        ("SENTRY_RELEASE", "payment@1.5.0"),
    ]


def test_the_fields_of_a_target_are_given_back() -> None:
    target = payment()
    assert target.metadata
    assert ownership_patch(target) == []
    target.metadata.managedFields = [
        ManagedFieldsEntry(manager="helm"),
        ManagedFieldsEntry(manager="reelback-operator"),
    ]
    assert ownership_patch(target) == [
        {"op": "test", "path": "/metadata/managedFields/1/manager", "value": "reelback-operator"},
        {"op": "remove", "path": "/metadata/managedFields/1"},
    ]
    target.metadata.managedFields = [ManagedFieldsEntry(manager="reelback-operator")]
    assert ownership_patch(target)[0]["value"] == [{}], "an empty list would change nothing"


def test_players_are_the_cronjobs_at_another_rate() -> None:
    container = {
        "name": "load",
        "image": "loadgen",
        "env": [{"name": "LOAD_RPS", "value": "5"}, {"name": "A", "value": "b"}],
    }
    template = {"metadata": {"labels": {"app": "load"}}, "spec": {"containers": [container], "restartPolicy": "Never"}}
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template, "backoffLimit": 3}}}
    cronjob = CronJob.from_dict({"metadata": {"name": "load", "namespace": "shop"}, "spec": spec})
    job = load_job(cast(CronJob, cronjob), 12.5, 2, OWNER)
    made = job.to_dict()
    assert players(job) == {"LOAD_RPS": "12.5", "LOAD_BROWSERS": "2"}
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("load", "shop")
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert made["spec"]["backoffLimit"] == 3
    assert {"name": "A", "value": "b"} in made["spec"]["template"]["spec"]["containers"][0]["env"]
