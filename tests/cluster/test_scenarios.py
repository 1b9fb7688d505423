"""The scenarios that no other test here plays, from their files, on the cluster.

In the order of their acts: faults in what serves are in the history of a baseline for ten minutes.
"""

from __future__ import annotations

import pytest
import yaml
from reelback_local.play import ACT, judges_pages

from tests.cluster.kind import ROOT, kubectl
from tests.cluster.stack import NAMESPACE, complete, reset

PLAYED_ELSEWHERE = {"release-regression", "healthy-release"}
MANIFESTS = {file: yaml.safe_load(file.read_text()) for file in (ROOT / "scenarios").glob("*.yaml")}
FILES = {
    manifest["metadata"]["name"]: file
    for file, manifest in sorted(MANIFESTS.items(), key=lambda it: float(it[1]["metadata"]["annotations"][ACT]))
}


def players_have_a_browser() -> bool:
    """Whether the image of the cluster's players has a Chromium."""
    container = ".spec.jobTemplate.spec.template.spec.containers[0]"
    path = f"jsonpath={{{container}.env[?(@.name=='LOAD_HAS_BROWSER')].value}}"
    return kubectl("get", "cronjob", "load", "-n", NAMESPACE, "-o", path) == "true"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", [name for name in FILES if name not in PLAYED_ELSEWHERE])
def test_a_scenario_ends_as_it_expects(name: str) -> None:
    # It would end as Inconclusive: nobody has seen the pages.
    if judges_pages(MANIFESTS[FILES[name]]) and not players_have_a_browser():
        pytest.skip("the image of the players has no Chromium: skaffold run -p browsers")
    reset()
    kubectl("apply", "-n", NAMESPACE, "-f", str(FILES[name]))
    ended = complete(name)
    assert (ended["phase"], ended["expectation"]) == ("Succeeded", "Met"), ended
    print(name, ended["verdict"], ended["message"])
    reset()
