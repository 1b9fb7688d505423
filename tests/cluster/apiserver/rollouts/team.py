"""A team's Deployment, and what the platform sees of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from reelback_operator.engine.model.workload import Workload
from reelback_operator.platforms.base import Target
from reelback_operator.platforms.kubernetes import KubernetesPlatform

from tests.cluster.apiserver.server import NAMESPACE, Cluster

PAYMENT = Target(name="payment")
Object = dict[str, Any]
OF_THE_DEPLOYMENT = ("minReadySeconds", "paused", "progressDeadlineSeconds", "revisionHistoryLimit")


def deployment(image: str = "pay:works", replicas: int = 1, **spec: Any) -> Object:
    """The team's Deployment; what is more in `spec` is about its pods."""
    container = {"name": "payment", "image": image, "env": [{"name": "SENTRY_RELEASE", "value": "payment@1.4.0"}]}
    labels = {"app": "payment"}
    above = {key: spec.pop(key) for key in OF_THE_DEPLOYMENT if key in spec}
    pod = {"terminationGracePeriodSeconds": 30, "containers": [container], **spec}
    template = {"metadata": {"labels": labels}, "spec": pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "payment", "namespace": NAMESPACE, "labels": {"reelback.dev/rollouts": "enabled"}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template, **above},
    }


def serving(variables: list[Object], *others: Object, **more: Any) -> list[Object]:
    """The containers of a pod, the serving one last."""
    return [*others, {"name": "payment", "image": "pay:works", "env": variables, **more}]


def create(cluster: Cluster, document: Object) -> None:
    """As `kubectl create` does, which refuses less than apply."""
    done = cluster.kubectl("create", "-f", "-", stdin=document)
    assert done.returncode == 0, done.stderr


def written(cluster: Cluster, name: str = "payment") -> Object:
    """The first container of a Deployment's template."""
    return dict(cluster.get("deployment", name)["spec"]["template"]["spec"]["containers"][0])


async def look(platform: KubernetesPlatform) -> Workload:
    """The target as it is now."""
    found = (await platform.observe([PAYMENT]))[PAYMENT.name]
    assert found is not None
    return found


async def until(platform: KubernetesPlatform, what: str, holds: Callable[[Workload], object]) -> Workload:
    """The first look of which it holds."""
    end = time.monotonic() + 40
    while True:
        found = await look(platform)
        if holds(found):
            return found
        assert time.monotonic() < end, f"{what}: not within 40 s, but {found}"
        await asyncio.sleep(0.2)


async def serve(cluster: Cluster, platform: KubernetesPlatform, document: Object) -> Workload:
    """Create the team's Deployment and wait until it serves."""
    create(cluster, document)
    return await until(platform, "it serves", serves)


def serves(found: Workload) -> bool:
    """Whether all of the target's pods are there and no others."""
    return found.settled and found.stable.ready == found.stable.desired
