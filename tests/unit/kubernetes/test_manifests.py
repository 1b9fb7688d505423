"""What the Kubernetes platform makes of a target: the candidate, the patch, the Job of players."""

from __future__ import annotations

from typing import Any, cast

import pytest
from lightkube.models.meta_v1 import OwnerReference
from lightkube.resources.apps_v1 import Deployment
from lightkube.resources.batch_v1 import CronJob
from reelback_operator.engine.workload import Change
from reelback_operator.platforms.base import PlatformError
from reelback_operator.platforms.manifests import candidate_deployment, load_job, load_rps, stable_patch

OWNER = OwnerReference(apiVersion="reelback.dev/v1alpha1", kind="SentryScenario", name="trial", uid="u1")
SECRET = {"secretKeyRef": {"name": "stores", "key": "MONGODB_URL"}}


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
            "metadata": {"name": "payment", "namespace": "shop", "labels": {"app.kubernetes.io/managed-by": "Helm"}},
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
    candidate = candidate_deployment(target, CHANGE, 2, OWNER).to_dict()
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
    candidate = candidate_deployment(payment(), CHANGE, 1, OWNER).to_dict()
    assert candidate["metadata"]["name"] == "payment-candidate"
    assert candidate["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert "Helm" not in candidate["metadata"]["labels"].values()
    labels = candidate["spec"]["template"]["metadata"]["labels"]
    assert labels == {"app": "payment", "mesh": "on", "reelback.dev/track": "candidate"}
    assert candidate["spec"]["selector"]["matchLabels"] == {"app": "payment", "reelback.dev/track": "candidate"}


def test_a_selector_of_expressions_is_kept() -> None:
    expressions = [{"key": "app", "operator": "In", "values": ["payment"]}]
    selector = candidate_deployment(payment(matchExpressions=expressions), CHANGE, 1, OWNER).to_dict()["spec"][
        "selector"
    ]
    assert selector == {"matchExpressions": expressions, "matchLabels": {"reelback.dev/track": "candidate"}}


def test_a_patch_names_what_changes_and_keeps_the_order_of_the_rest() -> None:
    assert stable_patch(payment(), CHANGE) == {
        "spec": {
            "template": {
                "spec": {
                    "containers": [
                        {
                            "name": "payment",
                            "image": "payment:1.5.0",
                            "$setElementOrder/env": [
                                {"name": "HOST"},
                                {"name": "SENTRY_RELEASE"},
                                {"name": "MONGODB_URL"},
                                {"name": "REELBACK_FAULTS"},
                            ],
                            "env": [
                                {"name": "HOST", "value": "db2"},
                                {"name": "SENTRY_RELEASE", "value": "payment@1.5.0"},
                                {"name": "REELBACK_FAULTS", "value": "{}"},
                                {"name": "URL", "$patch": "delete"},
                            ],
                        }
                    ]
                }
            }
        }
    }


@pytest.mark.parametrize("value", ["mongodb://elsewhere", None])
def test_a_reference_to_a_secret_is_never_changed(value: str | None) -> None:
    change = Change("payment@1.5.0", env={"MONGODB_URL": value})
    with pytest.raises(PlatformError, match=r"payment: .*MONGODB_URL.*valueFrom"):
        candidate_deployment(payment(), change, 1, OWNER)
    with pytest.raises(PlatformError, match="MONGODB_URL"):
        stable_patch(payment(), change)


def test_players_are_the_cronjobs_at_another_rate() -> None:
    container = {
        "name": "load",
        "image": "loadgen",
        "env": [{"name": "LOAD_RPS", "value": "5"}, {"name": "A", "value": "b"}],
    }
    template = {"metadata": {"labels": {"app": "load"}}, "spec": {"containers": [container], "restartPolicy": "Never"}}
    spec = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template, "backoffLimit": 3}}}
    cronjob = CronJob.from_dict({"metadata": {"name": "load", "namespace": "shop"}, "spec": spec})
    job = load_job(cast(CronJob, cronjob), 12.5, OWNER)
    made = job.to_dict()
    assert load_rps(job) == "12.5"
    assert (made["metadata"]["name"], made["metadata"]["namespace"]) == ("load", "shop")
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert made["spec"]["backoffLimit"] == 3
    assert {"name": "A", "value": "b"} in made["spec"]["template"]["spec"]["containers"][0]["env"]
