"""One API server for all tests of this folder, on which Deployments roll out.

kube-controller-manager makes the pods, the small kubelet of `kubelet.py` lets them come up, crash and go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from lightkube import AsyncClient, KubeConfig
from reelback_operator.platforms.kubernetes import KubernetesPlatform
from reelback_operator.platforms.manifests import FIELD_MANAGER
from reelback_operator.store import Resource

from tests.cluster.apiserver.conftest import rendered
from tests.cluster.apiserver.rollouts.kubelet import kubelet
from tests.cluster.apiserver.server import NAMESPACE, Cluster, controllers, running
from tests.cluster.apiserver.test_crd import scenario

Platforms = Callable[..., KubernetesPlatform]
KINDS = "sentryscenarios,deployments,statefulsets,replicasets,pods,leases,configmaps"


@pytest.fixture(scope="session")
def cluster(assets: str, helm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """An API server with the controllers, a kubelet and the operator's chart."""
    if not (Path(assets) / "kube-controller-manager").exists():
        pytest.skip("needs kube-controller-manager, which is not in KUBEBUILDER_ASSETS")
    folder = tmp_path_factory.mktemp("rollouts")
    with running(assets, folder) as cluster, controllers(cluster, assets), kubelet(cluster, folder):
        cluster.apply(rendered(helm))
        crd = "crd/sentryscenarios.reelback.dev"
        done = cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", crd)
        assert done.returncode == 0, done.stderr
        yield cluster


@pytest.fixture(autouse=True)
def clean(cluster: Cluster) -> Iterator[None]:
    """Nothing is left of a test."""
    yield
    done = cluster.kubectl("delete", KINDS, "--all", "--timeout=30s", "--force", "--grace-period=0")
    assert done.returncode == 0, done.stderr


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[AsyncClient]:
    """The operator's own client, with its rights."""
    config = KubeConfig.from_file(cluster.kubeconfig("operator")).get()
    async with AsyncClient(config, namespace=NAMESPACE, field_manager=FIELD_MANAGER) as client:
        yield client


@pytest.fixture
def platform(cluster: Cluster, client: AsyncClient) -> Platforms:
    """Makes a scenario, and its platform."""

    def made(name: str = "trial") -> KubernetesPlatform:
        cluster.apply(scenario("metadata", "name", value=name))
        return KubernetesPlatform(client, NAMESPACE, Resource(cluster.get("ssc", name)).owner)

    return made
