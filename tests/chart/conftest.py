"""The stack's chart as Kubernetes would get it, rendered by helm itself."""

from __future__ import annotations

import shutil
import subprocess

import pytest
import yaml

from tests.chart.rendered import CHART, KUBERNETES, PROFILES, Helm, Objects, Render


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Runs helm with these arguments; the caller looks at the exit status."""
    binary = shutil.which("helm")
    if binary is None:
        pytest.skip("helm is not on the PATH: the charts are not rendered")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([binary, *arguments], capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """The objects that helm makes of the chart with these arguments."""

    def rendered(*arguments: str) -> Objects:
        result = helm("template", "stack", str(CHART), "-n", "reelback", "--kube-version", KUBERNETES, *arguments)
        assert result.returncode == 0, result.stderr
        documents = [document for document in yaml.safe_load_all(result.stdout) if document]
        objects = {(document["kind"], document["metadata"]["name"]): document for document in documents}
        assert len(objects) == len(documents), "two objects have one kind and name"
        return objects

    return rendered


@pytest.fixture(scope="session", params=PROFILES)
def objects(request: pytest.FixtureRequest, render: Render) -> Objects:
    """The objects of the chart in each of the ways in which it is installed."""
    return render(*PROFILES[request.param])


@pytest.fixture(scope="session")
def stack(render: Render) -> Objects:
    """The objects of the chart as it stands."""
    return render()
