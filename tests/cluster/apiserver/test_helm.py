"""Helm and the operator change the same objects, and neither stands in the other's way."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator

import pytest
from lightkube import AsyncClient, KubeConfig
from lightkube.models.meta_v1 import OwnerReference
from reelback_operator.engine.model.workload import Change
from reelback_operator.platforms.base import Target
from reelback_operator.platforms.kubernetes import KubernetesPlatform

from tests.cluster.apiserver.server import OPERATOR_CHART, ROOT, Cluster

CRD = "sentryscenarios.reelback.dev"
Run = Callable[..., str]


@pytest.fixture
def run(apiserver: Cluster, helm: str) -> Iterator[Run]:
    """Runs helm in a namespace of this test's own."""

    def helmed(*arguments: str) -> str:
        command = [helm, "--kubeconfig", str(apiserver.kubeconfig("admin")), "-n", "helmed", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    apiserver.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "helmed"}})
    yield helmed
    for release in json.loads(helmed("list", "-o", "json")):
        helmed("uninstall", release["name"])


async def test_an_upgrade_keeps_what_a_run_added_and_puts_its_own_back(apiserver: Cluster, run: Run) -> None:
    def variables() -> dict[str, str | None]:
        container = apiserver.get("deployment", "payment", "-n", "helmed")["spec"]["template"]["spec"]["containers"][0]
        return {entry["name"]: entry.get("value") for entry in container["env"]}

    run("install", "stack", str(ROOT / "charts/reelback"))
    before = variables()
    owner = OwnerReference(apiVersion="v1", kind="ConfigMap", name="trial", uid="u1")
    async with AsyncClient(KubeConfig.from_file(apiserver.kubeconfig("admin")).get()) as client:
        platform = KubernetesPlatform(client, "helmed", owner)
        await platform.set_stable(
            Target(name="payment"), Change("payment@1.5.0", env={"REELBACK_FAULTS": "{}", "PORT": None})
        )
        assert variables()["SENTRY_RELEASE"] == "payment@1.5.0"
        assert "PORT" not in variables()

        run("upgrade", "stack", str(ROOT / "charts/reelback"), "--set", "environment=stage")
        upgraded = variables()
        assert upgraded["SENTRY_ENVIRONMENT"] == "stage"
        assert upgraded["SENTRY_RELEASE"] == before["SENTRY_RELEASE"]
        assert upgraded["PORT"] == before["PORT"]

        # The scenario finds its release gone, and what it takes back is only what is left of it.
        await platform.set_stable(Target(name="payment"), Change("payment@1.4.0", env={"REELBACK_FAULTS": None}))
        assert variables() == before | {"SENTRY_ENVIRONMENT": "stage"}
        assert set(before) == set(variables())


def test_the_crd_and_its_scenarios_outlive_the_operators_release(apiserver: Cluster, run: Run) -> None:
    # Another test may have applied the chart without helm, which then would not take over.
    apiserver.kubectl("delete", "crd", CRD, "--ignore-not-found", "--timeout=20s")
    run("install", "operator", str(OPERATOR_CHART))
    apiserver.kubectl("wait", "--for=condition=Established", "--timeout=30s", f"crd/{CRD}")
    uid = apiserver.get("crd", CRD)["metadata"]["uid"]
    run("upgrade", "operator", str(OPERATOR_CHART), "--set", "logLevel=DEBUG")
    run("uninstall", "operator")
    assert apiserver.get("crd", CRD)["metadata"]["uid"] == uid
    run("install", "operator", str(OPERATOR_CHART))
    assert apiserver.get("crd", CRD)["metadata"]["uid"] == uid


def test_the_stores_passwords_outlive_an_upgrade_and_the_release_itself(apiserver: Cluster, run: Run) -> None:
    """As the volumes do, in one of which MongoDB keeps its user."""

    def kept() -> tuple[dict[str, str], dict[str, str]]:
        access, urls = (apiserver.get("secret", name, "-n", "helmed")["data"] for name in ("store-access", "stores"))
        return access, urls

    chart = str(ROOT / "charts/reelback")
    run("install", "stack", chart)
    first = kept()
    run("upgrade", "stack", chart, "--set", "environment=stage")
    assert kept() == first
    run("uninstall", "stack")
    run("install", "stack", chart)
    assert kept() == first
