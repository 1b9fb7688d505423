"""The operator's chart: it stands alone, asks for few rights, and its CRD outlives it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tests.chart.rendered import KUBERNETES, ROOT, Helm, Objects

CHART = ROOT / "charts" / "reelback-operator"
CRD = ("CustomResourceDefinition", "sentryscenarios.reelback.dev")
# What could undo the cluster's protection or read what is none of an operator's business.
NEVER = {"secrets", "nodes", "roles", "rolebindings", "clusterroles", "customresourcedefinitions", "*"}


@pytest.fixture(scope="module")
def render(helm: Helm) -> Callable[..., Objects]:
    def rendered(*arguments: str) -> Objects:
        result = helm("template", "trial", str(CHART), "-n", "shop", "--kube-version", KUBERNETES, *arguments)
        assert result.returncode == 0, result.stderr
        documents = [document for document in yaml.safe_load_all(result.stdout) if document]
        return {(document["kind"], document["metadata"]["name"]): document for document in documents}

    return rendered


@pytest.fixture(scope="module")
def objects(render: Callable[..., Objects]) -> Objects:
    return render()


def container(objects: Objects) -> Any:
    return objects["Deployment", "reelback-operator"]["spec"]["template"]["spec"]["containers"][0]


def test_it_asks_for_rights_in_its_own_namespace_only(objects: Objects) -> None:
    assert not [kind for kind, _ in objects if kind.startswith("Cluster")]
    role = objects["Role", "reelback-operator"]
    assert role["metadata"]["namespace"] == "shop"
    for rule in role["rules"]:
        assert not NEVER & {*rule["resources"], *rule["verbs"], *rule["apiGroups"]}
        # A release may be in a ConfigMap that is named; others are not looked at.
        assert "configmaps" not in rule["resources"] or rule["verbs"] == ["get"]
    # A finalizer would take the right to change the scenario itself.
    verbs = {verb for rule in role["rules"] if "sentryscenarios" in rule["resources"] for verb in rule["verbs"]}
    assert verbs == {"get", "list", "watch"}


def test_it_watches_another_namespace_or_all_when_told(render: Callable[..., Objects]) -> None:
    other = render("--set", "watchNamespace=casino")
    assert other["Role", "reelback-operator"]["metadata"]["namespace"] == "casino"
    assert other["RoleBinding", "reelback-operator"]["subjects"][0]["namespace"] == "shop"
    assert {"name": "WATCH_NAMESPACE", "value": "casino"} in container(other)["env"]
    every = render("--set", "watchNamespace=*")
    assert ("Role", "reelback-operator") not in every
    assert every["ClusterRole", "reelback-operator"]["rules"][-1]["resources"]
    assert every["ClusterRoleBinding", "reelback-operator"]["roleRef"]["kind"] == "ClusterRole"
    assert {"name": "WATCH_NAMESPACE", "value": "*"} in container(every)["env"]


def test_its_pod_is_one_and_admitted_where_pod_security_is_restricted(objects: Objects) -> None:
    spec = objects["Deployment", "reelback-operator"]["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    pod = spec["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(objects)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    for bound in ("requests", "limits"):
        assert set(container(objects)["resources"][bound]) == {"cpu", "memory", "ephemeral-storage"}


def test_the_token_comes_from_a_secret(objects: Objects) -> None:
    entries = {entry["name"]: entry for entry in container(objects)["env"]}
    assert "SENTRY_AUTH_TOKEN" not in entries
    stack = yaml.safe_load((ROOT / "charts/reelback/values.yaml").read_text())
    (volume,) = objects["Deployment", "reelback-operator"]["spec"]["template"]["spec"]["volumes"]
    (item,) = volume["secret"]["items"]
    assert item["path"] == "SENTRY_AUTH_TOKEN"
    assert item["key"] in stack["services"][volume["secret"]["secretName"]]["secrets"]
    assert entries["SENTRY_URL"]["value"] == f"http://minisentry:{stack['services']['minisentry']['port']}"
    assert entries["SENTRY_ENVIRONMENT"]["value"] == stack["environment"]


def test_the_crd_is_upgraded_with_the_release_and_stays_when_it_goes(
    objects: Objects, render: Callable[..., Objects]
) -> None:
    assert objects[CRD] == yaml.safe_load((CHART / "crd/sentryscenarios.yaml").read_text())
    assert objects[CRD]["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
    assert CRD not in render("--set", "crd.install=false")


def test_helm_finds_nothing_to_complain_about(helm: Helm) -> None:
    result = helm("lint", "--strict", str(CHART))
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("replicas=2", "'replicas' not allowed"),
        ("sentry.url=minisentry:8090", "/sentry/url"),
        ("sentry.url=http://minisentry:8090/api/0", "/sentry/url"),
        ("sentry.token=abc", "/sentry/token"),
        ("sentry.environment=", "/sentry/environment"),
        ("watchNamespace=My_Shop", "/watchNamespace"),
        ("logLevel=info", "/logLevel"),
        ("crd.installed=false", "'installed' not allowed"),
    ],
)
def test_a_wrong_value_is_refused_by_name(helm: Helm, given: str, named: str) -> None:
    result = helm("template", "trial", str(CHART), "--kube-version", KUBERNETES, "--set", given)
    assert result.returncode != 0
    assert named in result.stderr
