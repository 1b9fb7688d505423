"""Whole runs on Deployments that really roll out, while Sentry sees nothing but healthy requests."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from lightkube import AsyncClient
from reelback_operator.controller import Controller
from reelback_operator.platforms.kubernetes import KubernetesPlatform
from reelback_operator.runner import Runner
from reelback_operator.sentry import Sentry
from reelback_operator.sentry.api import Api
from reelback_operator.sentry.counts import Counter
from reelback_operator.store import Resource, Store

from tests.cluster.apiserver.rollouts.team import Object, create, deployment, written
from tests.cluster.apiserver.server import NAMESPACE, Cluster

Run = Callable[..., None]
PERSON = "kubectl-person"


class Healthy(Sentry):
    """Sentry's API, by which every release serves 50 requests/s, and none of them fails."""

    def __init__(self) -> None:
        super().__init__("http://sentry", "org", "project", "token", "demo")
        self._api = _Requests()
        self._counter = Counter(self._api, "demo")


class _Requests(Api):
    def __init__(self) -> None:
        self._since = datetime.now(UTC) - timedelta(seconds=60)

    async def call(
        self, method: str, path: str, parameters: Mapping[str, Any] | None = None, json: Mapping[str, Any] | None = None
    ) -> Any:
        asked = parameters or {}
        if method == "POST":
            return dict(json or {})
        if path.endswith("/deploys/") or path == "issues/":
            return []
        if asked.get("dataset") != "spans":
            return {"data": []}
        start, end = (datetime.fromisoformat(asked[name]) for name in ("start", "end"))
        seconds = (min(end, datetime.now(UTC)) - max(start, self._since)).total_seconds()
        served = int(50 * max(0.0, seconds))
        counted = {"count()": served, "count_sample()": served, "failure_count()": 0}
        releases = re.findall(r'"([^"]+)"', asked["query"])
        return {"data": [{"release": each, "p95(span.duration)": 20.0, **counted} for each in releases]}


@pytest.fixture
async def run(cluster: Cluster, client: AsyncClient) -> AsyncIterator[Run]:
    """Makes a scenario and runs it, as the operator does."""
    sentry = Healthy()

    def controller_of(resource: Resource) -> Controller:
        return Controller(KubernetesPlatform(client, resource.namespace, resource.owner), sentry)

    runner = Runner(Store(client, "test"), controller_of)

    def started(name: str = "trial", image: str = "pay:works", strategy: str = "Canary", deadline: str = "3s") -> None:
        check = {"name": "errors", "type": "ErrorRate"}
        release = {
            "version": "1.5.0",
            "targets": [{"name": "payment"}],
            "patch": {"image": image},
            "strategy": {"type": strategy},
        }
        analysis = {"interval": "500ms", "deadline": deadline, "checks": [check]}
        spec = {"release": release, "analysis": analysis, "recovery": {"healthyFor": "1s", "timeout": "30s"}}
        metadata = {"name": name, "namespace": NAMESPACE}
        create(
            cluster,
            {"apiVersion": "reelback.dev/v1alpha1", "kind": "SentryScenario", "metadata": metadata, "spec": spec},
        )
        runner.seen(Resource(cluster.get("ssc", name)))

    yield started
    await runner.close(5)


async def status(cluster: Cluster, name: str = "trial") -> Object:
    found = await asyncio.to_thread(cluster.get, "ssc", name)
    return dict(found.get("status") or {})


async def reached(
    cluster: Cluster, what: Callable[[Object], object], name: str = "trial", seconds: float = 60
) -> Object:
    """The first status of which it holds."""
    end = time.monotonic() + seconds
    while True:
        found = await status(cluster, name)
        if found and what(found):
            return found
        assert time.monotonic() < end, json.dumps(found, indent=1)
        await asyncio.sleep(0.2)


def complete(found: Object) -> bool:
    return any(each["type"] == "Complete" and each["status"] == "True" for each in found.get("conditions", []))


def reason(found: Object) -> str:
    """Why a regression was seen."""
    return next((each["reason"] for each in found["conditions"] if each["type"] == "RegressionDetected"), "")


def given_back(cluster: Cluster) -> bool:
    """Whether nothing of the operator's is left: no candidate, no claim, no field of the target."""
    target = cluster.get("deployment", "payment", "--show-managed-fields")
    managers = {each["manager"] for each in target["metadata"]["managedFields"]}
    left = [cluster.get("deployment", "payment-candidate"), cluster.get("lease", "reelback-payment")]
    return left == [None, None] and "reelback-operator" not in managers


async def test_a_healthy_release_is_promoted_and_everything_is_given_back(cluster: Cluster, run: Run) -> None:
    create(cluster, deployment(replicas=2))
    run(image="pay:works-1")
    ended = await reached(cluster, complete)
    assert (ended["phase"], ended["verdict"]) == ("Succeeded", "Promoted")
    container = written(cluster)
    assert (container["image"], container["env"][0]["value"]) == ("pay:works-1", "payment@1.5.0")
    assert given_back(cluster)


@pytest.mark.parametrize(
    ("strategy", "image", "problem"),
    [
        ("Canary", "pay:loops-3", "panic: no route to the acquirer"),
        ("Canary", "pay:crashes-3", "exit code 1"),
        ("Canary", "pay:absent", "ImagePullBackOff"),
        ("Replace", "pay:loops-3", "panic: no route to the acquirer"),
    ],
)
async def test_what_does_not_run_is_rolled_back_though_its_requests_are_well(
    cluster: Cluster, run: Run, strategy: str, image: str, problem: str
) -> None:
    create(cluster, deployment())
    before = written(cluster)
    run(image=image, strategy=strategy, deadline="30s")
    ended = await reached(cluster, complete)
    assert (ended["phase"], ended["verdict"], reason(ended)) == ("Succeeded", "RolledBack", "RolloutFailed")
    assert problem in ended["message"]
    assert written(cluster) == before
    assert given_back(cluster)


@pytest.mark.parametrize(
    ("spec", "obstacle"), [({"paused": True}, "is paused"), ({"replicas": 0}, "is scaled to zero")]
)
async def test_a_target_that_cannot_be_changed_is_refused_at_once(
    cluster: Cluster, run: Run, spec: Object, obstacle: str
) -> None:
    create(cluster, deployment(**spec))
    run()
    ended = await reached(cluster, complete, seconds=10)
    assert (ended["phase"], ended["verdict"]) == ("Failed", "Error")
    assert f"spec.release.targets[0].name: payment {obstacle}" in ended["message"]


async def test_of_two_runs_on_one_target_the_second_waits_and_says_for_whom(cluster: Cluster, run: Run) -> None:
    create(cluster, deployment())
    run(image="pay:works-1", deadline="4s")
    await reached(cluster, lambda found: found.get("claimed") or found["phase"] != "Pending")
    run("second", image="pay:works-2")
    waiting = await reached(cluster, lambda found: found.get("message"), "second")
    assert waiting["phase"] == "Pending"
    assert "payment takes part in a run of scenario trial" in waiting["message"]
    first = await reached(cluster, complete)
    assert first["verdict"] == "Promoted"
    second = await reached(cluster, complete, "second")
    assert "already serves payment@1.5.0" in second["message"], "it is looked at again when its turn has come"


@pytest.mark.parametrize("strategy", ["Canary", "Replace"])
async def test_a_person_who_sets_the_same_version_with_another_image_is_left_alone(
    cluster: Cluster, run: Run, strategy: str
) -> None:
    create(cluster, deployment())
    run(image="pay:works-1", strategy=strategy, deadline="60s")
    await reached(cluster, lambda found: found["phase"] == "Analyzing")
    theirs = json.dumps({"spec": {"template": {"spec": {"containers": [person()]}}}})
    done = cluster.kubectl("patch", "deployment", "payment", f"--field-manager={PERSON}", "-p", theirs)
    assert done.returncode == 0, done.stderr
    ended = await reached(cluster, complete)
    assert ended["phase"] == "Aborted"
    assert ended["message"].startswith("payment was changed to payment@1.5.0 with another template during the run")
    assert PERSON in ended["message"]
    container = written(cluster)
    assert (container["image"], container["env"]) == (person()["image"], person()["env"])
    assert given_back(cluster)


def person() -> Object:
    """The container as somebody else wants it."""
    variables = [{"name": "SENTRY_RELEASE", "value": "payment@1.5.0"}]
    return {"name": "payment", "image": "pay:works-2", "env": variables}


@pytest.mark.parametrize(
    "after",
    [
        1.5,
        0.0,
    ],
    ids=["later", "at once"],
)
async def test_a_tool_that_resets_the_target_ends_the_run_and_is_named(
    cluster: Cluster, run: Run, after: float
) -> None:
    def apply() -> None:
        apply = ("apply", "--server-side", "--force-conflicts", "--field-manager=tool", "-f", "-")
        done = cluster.kubectl(*apply, stdin=deployment())
        assert done.returncode == 0, done.stderr

    apply()
    run(image="pay:works-1", strategy="Replace", deadline="60s")
    await reached(cluster, lambda found: found["phase"] == "Analyzing")
    end = time.monotonic() + 15
    changed = 0.0
    while not complete(ended := await status(cluster)):
        assert time.monotonic() < end, json.dumps(ended, indent=1)
        if (await asyncio.to_thread(written, cluster))["image"] != "pay:works-1":
            changed = 0.0
        elif not changed:
            changed = time.monotonic()
        if changed and time.monotonic() >= changed + after:
            await asyncio.to_thread(apply)
            changed = 0.0
        await asyncio.sleep(0.1)
    assert ended["phase"] == "Aborted"
    assert "taken away 2 times" in ended["message"]
    assert "by tool" in ended["message"]
    generation = cluster.get("deployment", "payment")["metadata"]["generation"]
    assert generation == 5, "created, then twice changed and twice reset: nobody fights over it"
