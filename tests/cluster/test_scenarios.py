"""The scenarios that no other test here plays, from their files, on the cluster."""

from __future__ import annotations

import pytest

from tests.cluster.kind import ROOT, kubectl
from tests.cluster.stack import NAMESPACE, complete, reset

PLAYED_ELSEWHERE = {"release-regression", "healthy-release"}
FILES = {file.stem.removeprefix("scenario-"): file for file in sorted((ROOT / "scenarios").glob("*.yaml"))}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(FILES.keys() - PLAYED_ELSEWHERE))
def test_a_scenario_ends_as_it_expects(name: str) -> None:
    reset()
    kubectl("apply", "-n", NAMESPACE, "-f", str(FILES[name]))
    ended = complete(name)
    assert (ended["phase"], ended["expectation"]) == ("Succeeded", "Met"), ended
    print(name, ended["verdict"], ended["message"])
    reset()
