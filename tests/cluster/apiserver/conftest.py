"""One API server for all tests of this folder, with the operator's chart applied."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from tests.cluster.apiserver.server import NAMESPACE, OPERATOR_CHART, Cluster, running


@pytest.fixture(scope="session")
def assets() -> str:
    """The folder with Kubernetes' binaries."""
    found = os.environ.get("KUBEBUILDER_ASSETS")
    if not found:
        pytest.skip("needs etcd, kube-apiserver and kubectl: KUBEBUILDER_ASSETS names no folder with them")
    return found


@pytest.fixture(scope="session")
def apiserver(assets: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The API server without any of this project's things in it."""
    with running(assets, tmp_path_factory.mktemp("apiserver")) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def helm() -> str:
    """The path of helm."""
    found = shutil.which("helm", path=f"{os.environ.get('KUBEBUILDER_ASSETS', '')}:{os.environ['PATH']}")
    if found is None:
        pytest.skip("needs helm, which is not on the PATH")
    return found


def rendered(helm: str, *arguments: str) -> str:
    """The operator's chart as text."""
    render = [helm, "template", "reelback-operator", str(OPERATOR_CHART), "-n", NAMESPACE, "--kube-version", "1.37"]
    return subprocess.run([*render, *arguments], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def everywhere(cluster: Cluster, helm: str) -> None:
    """The rights of an operator that watches every namespace."""
    cluster.apply(rendered(helm, "--set", "watchNamespace=*"))


@pytest.fixture(scope="session")
def cluster(apiserver: Cluster, helm: str) -> Cluster:
    """The API server with the operator's chart applied (its CRD, account and role; no controller starts the pod)."""
    apiserver.apply(rendered(helm))
    done = apiserver.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd/sentryscenarios.reelback.dev")
    assert done.returncode == 0, done.stderr
    return apiserver
