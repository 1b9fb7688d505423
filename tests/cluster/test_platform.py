"""The Kubernetes platform on a real cluster, with a workload of a few lines in a namespace of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest
from lightkube import AsyncClient, KubeConfig
from lightkube.models.meta_v1 import OwnerReference
from reelback_operator.engine.model.workload import Change, Workload
from reelback_operator.platforms.base import PlatformError, Target
from reelback_operator.platforms.kubernetes import KubernetesPlatform

from tests.cluster.kind import CONTEXT, get, kubectl, pods, variables

NAMESPACE = "reelback-platform-test"
IMAGE = "python:3.13-slim"
SECURITY = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
POD = {"securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}}
# Serves until SIGTERM, unless its release says that it cannot start.
PROGRAM = """
import os, signal, sys, time
from http.server import BaseHTTPRequestHandler, HTTPServer
if "broken" in os.environ["SENTRY_RELEASE"]:
    sys.exit(3)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
HTTPServer(("", 8000), BaseHTTPRequestHandler).serve_forever()
"""


def deployment(name: str, selector: dict[str, str]) -> dict[str, Any]:
    container = {
        "name": name,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-c", PROGRAM],
        "env": [
            {"name": "SENTRY_RELEASE", "value": f"{name}@1.4.0"},
            {"name": "COLOUR", "value": "blue"},
            {"name": "TOKEN", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
        ],
        "readinessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 1},
        "securityContext": SECURITY,
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {"app": name, "reelback.dev/rollouts": "enabled"}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": selector},
            "template": {
                "metadata": {"labels": {"app": name, **selector}},
                "spec": {**POD, "terminationGracePeriodSeconds": 5, "containers": [container]},
            },
        },
    }


@pytest.fixture(scope="module", autouse=True)
def namespace() -> Iterator[None]:
    kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=120s")
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    kubectl(
        "create",
        "-f",
        "-",
        stdin={"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE, "labels": restricted}},
    )
    yield
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture
async def owner(request: pytest.FixtureRequest) -> AsyncIterator[OwnerReference]:
    """Something that things can belong to; a ConfigMap will do."""
    name = f"owner-{abs(hash(request.node.name))}"
    kubectl("create", "configmap", name, "-n", NAMESPACE)
    uid = get("configmap", name, "-n", NAMESPACE)["metadata"]["uid"]
    yield OwnerReference(apiVersion="v1", kind="ConfigMap", name=name, uid=uid, controller=True)
    kubectl("delete", "configmap", name, "-n", NAMESPACE, "--ignore-not-found")


@pytest.fixture
async def platform(owner: OwnerReference) -> AsyncIterator[KubernetesPlatform]:
    client = AsyncClient(KubeConfig.from_env().get(CONTEXT))
    yield KubernetesPlatform(client, NAMESPACE, owner)
    await client.close()


async def until(
    platform: KubernetesPlatform, name: str, met: Callable[[Workload], bool], seconds: float = 60
) -> Workload:
    """Observe until the condition is met."""
    seen = None
    for _ in range(round(seconds * 2)):
        seen = (await platform.observe([Target(name=name)]))[name]
        if seen is not None and met(seen):
            return seen
        await asyncio.sleep(0.5)
    raise AssertionError(f"{name}: not within {seconds} s, last {seen}")


def running(name: str) -> list[str]:
    """The releases of the target's pods."""
    return sorted(variables(pod)["SENTRY_RELEASE"] for pod in pods(NAMESPACE, f"app={name}"))


def template_hashes(name: str) -> set[str]:
    return {pod["metadata"]["labels"]["pod-template-hash"] for pod in pods(NAMESPACE, f"app={name}")}


@pytest.mark.parametrize(
    "selector", [{"app": "shop"}, {"app": "till", "reelback.dev/track": "stable"}], ids=["plain", "track"]
)
async def test_a_candidate_runs_beside_the_stable_pods_and_leaves_without_a_trace(
    platform: KubernetesPlatform, owner: OwnerReference, selector: dict[str, str]
) -> None:
    name = selector["app"]
    kubectl("apply", "-f", "-", stdin=deployment(name, selector))
    before = await until(platform, name, lambda seen: seen.stable.ready == 2 and seen.settled)
    assert (before.stable.release, before.stable.desired, before.candidate) == (f"{name}@1.4.0", 2, None)
    assert before.env == {"SENTRY_RELEASE": f"{name}@1.4.0", "COLOUR": "blue"}
    generation = get("deployment", name, "-n", NAMESPACE)["metadata"]["generation"]

    change = Change(f"{name}@1.5.0", env={"COLOUR": None, "REELBACK_FAULTS": "{}"})
    await platform.set_candidate(Target(name=name), change, 1)
    await platform.set_candidate(Target(name=name), change, 1)
    both = await until(platform, name, lambda seen: seen.candidate is not None and seen.candidate.ready == 1)
    assert both.candidate is not None
    assert (both.candidate.release, both.candidate.desired, both.candidate.problem) == (f"{name}@1.5.0", 1, None)
    assert (both.stable.ready, both.settled) == (2, True)
    assert running(name) == [f"{name}@1.4.0"] * 2 + [f"{name}@1.5.0"]
    made = get("deployment", f"{name}-candidate", "-n", NAMESPACE)
    env = {entry["name"]: entry for entry in made["spec"]["template"]["spec"]["containers"][0]["env"]}
    assert set(env) == {"SENTRY_RELEASE", "TOKEN", "REELBACK_FAULTS"}
    assert "valueFrom" in env["TOKEN"]
    assert made["metadata"]["ownerReferences"][0]["uid"] == owner.uid

    await platform.remove_candidate(Target(name=name))
    await platform.remove_candidate(Target(name=name))
    await until(platform, name, lambda seen: seen.candidate is None)
    assert running(name) == [f"{name}@1.4.0"] * 2
    assert get("deployment", name, "-n", NAMESPACE)["metadata"]["generation"] == generation


async def test_a_candidate_is_collected_with_its_scenario(platform: KubernetesPlatform, owner: OwnerReference) -> None:
    kubectl("apply", "-f", "-", stdin=deployment("desk", {"app": "desk"}))
    await until(platform, "desk", lambda seen: seen.stable.ready == 2)
    await platform.set_candidate(Target(name="desk"), Change("desk@1.5.0"), 1)
    await until(platform, "desk", lambda seen: seen.candidate is not None and seen.candidate.ready == 1)
    kubectl("delete", "configmap", str(owner.name), "-n", NAMESPACE)
    await until(platform, "desk", lambda seen: seen.candidate is None)


async def test_a_candidate_that_cannot_run_says_why(platform: KubernetesPlatform) -> None:
    kubectl("apply", "-f", "-", stdin=deployment("lamp", {"app": "lamp"}))
    await until(platform, "lamp", lambda seen: seen.stable.ready == 2)

    await platform.set_candidate(Target(name="lamp"), Change("lamp@1.5.0-broken"), 1)
    ended = await until(platform, "lamp", lambda seen: seen.candidate is not None and bool(seen.candidate.problem))
    assert ended.candidate is not None
    assert "lamp ended with exit code 3" in str(ended.candidate.problem)
    assert ended.stable.problem is None

    await platform.set_candidate(Target(name="lamp"), Change("lamp@1.5.0", image="nowhere.invalid/lamp:1.5.0"), 1)
    missing = await until(platform, "lamp", lambda seen: "ImagePullBackOff" in str(seen.candidate))
    assert missing.candidate is not None
    assert missing.candidate.ready == 0
    await platform.remove_candidate(Target(name="lamp"))
    await until(platform, "lamp", lambda seen: seen.candidate is None)


async def test_the_stable_track_is_changed_and_given_back(platform: KubernetesPlatform) -> None:
    kubectl("apply", "-f", "-", stdin=deployment("sofa", {"app": "sofa"}))
    before = await until(platform, "sofa", lambda seen: seen.stable.ready == 2 and seen.settled)
    hashes = template_hashes("sofa")

    await platform.set_stable(Target(name="sofa"), Change("sofa@1.5.0", env={"COLOUR": "red", "REELBACK_FAULTS": "{}"}))
    at_once = (await platform.observe([Target(name="sofa")]))["sofa"]
    assert at_once is not None
    assert (at_once.stable.release, at_once.settled) == ("sofa@1.5.0", False)
    changed = await until(platform, "sofa", lambda seen: seen.settled and seen.stable.ready == 2)
    assert changed.env == {"SENTRY_RELEASE": "sofa@1.5.0", "COLOUR": "red", "REELBACK_FAULTS": "{}"}
    assert running("sofa") == ["sofa@1.5.0"] * 2

    changed_variables = ["SENTRY_RELEASE", "COLOUR", "REELBACK_FAULTS"]
    await platform.put_back(Target(name="sofa"), before.stable.template.digest, changed_variables, image=False)
    back = await until(platform, "sofa", lambda seen: seen.settled and seen.stable.ready == 2)
    assert back.env == {"SENTRY_RELEASE": "sofa@1.4.0", "COLOUR": "blue"}
    assert template_hashes("sofa") == hashes, "the template is the very same again, down to the order of its variables"


async def test_what_is_not_there_or_not_ours_is_refused_by_name(platform: KubernetesPlatform) -> None:
    async def refused(call: Awaitable[object]) -> str:
        with pytest.raises(PlatformError) as caught:
            await call
        return str(caught.value)

    assert await platform.observe([Target(name="ghost")]) == {"ghost": None}
    assert "no Deployment ghost" in await refused(platform.set_stable(Target(name="ghost"), Change("ghost@1.5.0")))
    assert "no CronJob load" in await refused(platform.set_load(20))
    await platform.remove_load()

    kubectl("apply", "-f", "-", stdin=deployment("vase", {"app": "vase"}))
    kubectl("apply", "-f", "-", stdin=deployment("vase-candidate", {"app": "vase-candidate"}))
    assert "does not belong to this scenario" in await refused(
        platform.set_candidate(Target(name="vase"), Change("vase@1.5.0"), 1)
    )
    await platform.remove_candidate(Target(name="vase"))
    assert get("deployment", "vase-candidate", "-n", NAMESPACE)


async def test_players_run_at_a_rate_and_end(platform: KubernetesPlatform) -> None:
    players = {**POD, "restartPolicy": "Never", "terminationGracePeriodSeconds": 1}
    players["containers"] = [{"name": "load", "image": IMAGE, "command": ["sleep", "600"], "securityContext": SECURITY}]
    template = {"metadata": {"labels": {"app": "load"}}, "spec": players}
    cronjob = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": template}}}
    metadata = {"name": "load", "namespace": NAMESPACE}
    kubectl(
        "apply", "-f", "-", stdin={"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": cronjob}
    )

    def rates() -> list[str]:
        return [variables(pod)["LOAD_RPS"] for pod in pods(NAMESPACE, "app=load")]

    async def rate(wanted: list[str]) -> None:
        for _ in range(120):
            if rates() == wanted:
                return
            await asyncio.sleep(0.5)
        raise AssertionError(f"{rates()}, not {wanted}")

    await platform.set_load(20)
    uid = get("job", "load", "-n", NAMESPACE)["metadata"]["uid"]
    await platform.set_load(20)
    assert get("job", "load", "-n", NAMESPACE)["metadata"]["uid"] == uid
    await rate(["20"])
    await platform.set_load(2.5)
    await rate(["2.5"])
    await platform.remove_load()
    await rate([])
    assert get("job", "load", "-n", NAMESPACE) is None
