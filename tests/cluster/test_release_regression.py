"""The main job on a real cluster: a bad release of payment is found through Sentry's API and taken back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from tests.cluster.kind import get, kubectl, pods, wait_for
from tests.cluster.stack import (
    CANDIDATE,
    HEALTHY,
    NAMESPACE,
    OLD,
    REGRESSION,
    SENTRY,
    STABLE,
    complete,
    in_phase,
    releases,
    reset,
    sentry_client,
    status,
    variant,
)


@pytest.fixture(scope="module")
def sentry() -> Iterator[httpx2.Client]:
    """minisentry's API."""
    with sentry_client() as client:
        yield client


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Before and after: as if nothing had been rolled out."""
    reset()
    yield
    reset()


def deploys(sentry: httpx2.Client, release: str, since: str) -> list[str]:
    """The names of a release's deploys that Sentry's API lists and that ended after a time."""
    answer = sentry.get(f"{SENTRY}/releases/{quote(release, safe='')}/deploys/")
    assert answer.status_code == 200, answer.text
    begin = datetime.fromisoformat(since).replace(microsecond=0)
    return [each["name"] for each in answer.json() if datetime.fromisoformat(each["dateFinished"]) >= begin]


def check_rolled_back(sentry: httpx2.Client, ended: dict[str, Any]) -> None:
    """Insist on the outcome, on what serves now, and on what Sentry was told: each thing once."""
    assert (ended["phase"], ended["verdict"], ended["expectation"]) == ("Succeeded", "RolledBack", "Met"), ended
    target, begun = ended["targets"][0], ended["times"]["appliedAt"]
    assert target["oldRelease"] == OLD
    assert releases(STABLE) == {OLD}
    assert not pods(NAMESPACE, CANDIDATE)
    assert get("job", "load", "-n", NAMESPACE) is None
    known = sentry.get(f"{SENTRY}/releases/", params={"query": target["newRelease"]}).json()
    assert target["newRelease"] in {release["version"] for release in known}
    assert deploys(sentry, target["newRelease"], begun) == [f"rollout of {target['newRelease']}"]
    assert deploys(sentry, OLD, begun) == [f"rollback from {target['newRelease']}"]
    conditions = {condition["type"]: condition["status"] for condition in ended["conditions"]}
    assert conditions["Complete"] == conditions["RegressionDetected"] == conditions["Recovered"] == "True"


@pytest.mark.timeout(600)
def test_a_bad_release_is_found_and_taken_back(sentry: httpx2.Client) -> None:
    generation = get("deployment", "payment", "-n", NAMESPACE)["metadata"]["generation"]
    # The README's own commands, without a namespace: skaffold has made it the context's default.
    kubectl("apply", "-f", str(REGRESSION))
    kubectl("wait", "--for=condition=Complete", "--timeout=5m", "sentryscenario/release-regression")
    ended = status("release-regression")
    check_rolled_back(sentry, ended)
    assert get("deployment", "payment", "-n", NAMESPACE)["metadata"]["generation"] == generation

    table = kubectl("get", "sentryscenarios").splitlines()
    assert re.split(r"\s{2,}", table[0])[:6] == [
        "NAME",
        "PHASE",
        "VERDICT",
        "CANDIDATE",
        "TIME-TO-DETECT(S)",
        "MTTR(S)",
    ]
    name, phase, verdict, candidate, detected, mttr, *_ = table[1].split()
    assert (name, phase, verdict, candidate) == ("release-regression", "Succeeded", "RolledBack", "1.5.0")
    assert float(detected) <= 60
    assert float(mttr) <= 120

    events = get("events", "-n", NAMESPACE, "--field-selector=involvedObject.kind=SentryScenario")["items"]
    kinds = {(event["reason"], event["type"]) for event in events}
    assert {("Serving", "Normal"), ("RegressionDetected", "Warning"), ("RolledBack", "Warning")} <= kinds
    metadata = get("sentryscenario", "release-regression", "-n", NAMESPACE)["metadata"]
    assert "finalizers" not in metadata


@pytest.mark.timeout(600)
def test_a_healthy_release_is_promoted(sentry: httpx2.Client) -> None:
    kubectl("apply", "-n", NAMESPACE, "-f", str(HEALTHY))
    ended = complete("healthy-release")
    assert (ended["phase"], ended["verdict"], ended["expectation"]) == ("Succeeded", "Promoted", "Met"), ended
    assert releases(STABLE) == {"payment@1.5.0"}
    assert not pods(NAMESPACE, CANDIDATE)
    assert deploys(sentry, OLD, ended["times"]["appliedAt"]) == []


@pytest.mark.timeout(600)
def test_a_candidate_gets_its_share_of_requests(sentry: httpx2.Client) -> None:
    scenario = variant(HEALTHY, "share")
    scenario["spec"]["analysis"]["deadline"] = "60s"
    kubectl("apply", "-f", "-", stdin=scenario)
    analyzing = in_phase("share", "Analyzing")
    shares = len(pods(NAMESPACE, CANDIDATE)) / len(pods(NAMESPACE, "app.kubernetes.io/name=payment"))
    in_phase("share", "RollingOut", "Succeeded")
    promoting = datetime.now(UTC)

    # Callers look for new servers twice a second.
    begin = datetime.fromisoformat(analyzing["times"]["servingAt"]) + timedelta(seconds=2)
    releases = [analyzing["targets"][0][key] for key in ("oldRelease", "newRelease")]
    query = {
        "dataset": "spans",
        "field": ["release", "count()"],
        "query": f"is_transaction:true release:[{','.join(releases)}]",
        "environment": "demo",
        "start": begin.strftime("%Y-%m-%dT%H:%M:%S"),
        "end": (promoting - timedelta(seconds=5)).strftime("%Y-%m-%dT%H:%M:%S"),
    }
    rows = sentry.get(f"{SENTRY}/events/", params=query).json()["data"]
    counts = {row["release"]: row["count()"] for row in rows}
    share = counts[releases[1]] / sum(counts.values())
    print(f"share of pods {shares:.3f}, of requests {share:.3f}: {counts}")
    assert sum(counts.values()) >= 200
    assert abs(share - shares) <= 0.2 * shares
    assert complete("share")["verdict"] == "Promoted"


@pytest.mark.timeout(600)
def test_an_operator_killed_in_every_phase_rolls_back_exactly_once(sentry: httpx2.Client) -> None:
    kubectl("apply", "-f", "-", stdin=variant(REGRESSION, "killed"))
    for phase in ("Pending", "RollingOut", "Analyzing", "RollingBack", "Recovering"):
        in_phase("killed", phase)
        kubectl("delete", "pods", "-n", NAMESPACE, "-l", "app.kubernetes.io/name=reelback-operator", "--grace-period=0",
                "--force")  # fmt: skip
    check_rolled_back(sentry, complete("killed"))


@pytest.mark.timeout(600)
def test_a_release_in_place_of_the_old_one_is_taken_back(sentry: httpx2.Client) -> None:
    before = pods(NAMESPACE, STABLE)[0]["metadata"]["labels"]["pod-template-hash"]
    kubectl("apply", "-f", "-", stdin=variant(REGRESSION, "replace", strategy={"type": "Replace"}))
    in_phase("replace", "Analyzing")
    assert OLD not in releases(STABLE)
    check_rolled_back(sentry, complete("replace"))
    assert pods(NAMESPACE, STABLE)[0]["metadata"]["labels"]["pod-template-hash"] == before


@pytest.mark.timeout(300)
def test_deleting_a_scenario_ends_its_candidate_without_an_operator() -> None:
    kubectl("apply", "-f", "-", stdin=variant(HEALTHY, "deleted"))
    in_phase("deleted", "Analyzing")
    kubectl("scale", "deployment/reelback-operator", "-n", NAMESPACE, "--replicas=0")
    wait_for(lambda: not pods(NAMESPACE, "app.kubernetes.io/name=reelback-operator"), 60, "no operator")
    kubectl("delete", "sentryscenario", "deleted", "-n", NAMESPACE, "--timeout=5s")
    wait_for(lambda: not pods(NAMESPACE, CANDIDATE), 60, "no candidate")
    wait_for(lambda: get("job", "load", "-n", NAMESPACE) is None, 60, "no players")
    assert releases(STABLE) == {OLD}


@pytest.mark.timeout(300)
def test_deleting_a_scenario_gives_back_what_it_changed_in_place() -> None:
    kubectl("apply", "-f", "-", stdin=variant(HEALTHY, "deleted", strategy={"type": "Replace"}))
    in_phase("deleted", "Analyzing")
    assert OLD not in releases(STABLE)
    kubectl("delete", "sentryscenario", "deleted", "-n", NAMESPACE, "--timeout=5s")
    wait_for(lambda: releases(STABLE) == {OLD}, 60, f"payment serves {OLD} again")
