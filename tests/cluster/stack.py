"""The stack on the cluster, between two runs and during one: what serves, what a scenario says, what Sentry counted."""

from __future__ import annotations

import base64
import copy
import time
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.cluster.kind import ROOT, get, kubectl, pods, variables, wait_for

NAMESPACE = "reelback"
SENTRY = "http://127.0.0.1:8090/api/0/organizations/reelback"
REGRESSION = ROOT / "scenario-release-regression.yaml"
HEALTHY = ROOT / "scenarios" / "scenario-healthy-release.yaml"
OLD = "payment@1.4.0"
STABLE = "app.kubernetes.io/name=payment,reelback.dev/track=stable"
CANDIDATE = "app.kubernetes.io/name=payment,reelback.dev/track=candidate"


def sentry_client() -> httpx2.Client:
    """minisentry's API, with the token that its Secret holds."""
    token = get("secret", "minisentry", "-n", NAMESPACE)["data"]["MINISENTRY_TOKEN"]
    authorization = f"Bearer {base64.b64decode(token).decode()}"
    return httpx2.Client(base_url=SENTRY, headers={"Authorization": authorization}, timeout=10)


def reset() -> None:
    """Everything available, payment at its old release, no scenario, nobody playing."""
    kubectl("delete", "sentryscenarios", "--all", "-n", NAMESPACE, "--timeout=10s")
    kubectl("scale", "deployment/reelback-operator", "-n", NAMESPACE, "--replicas=1")
    wait_for(lambda: not pods(NAMESPACE, CANDIDATE) and get("job", "load", "-n", NAMESPACE) is None, 60, "an end")
    kubectl("set", "env", "deployment/payment", "-n", NAMESPACE, f"SENTRY_RELEASE={OLD}", "REELBACK_FAULTS-")
    for name in ("payment", "game", "gateway", "minisentry", "reelback-operator"):
        kubectl("rollout", "status", f"deployment/{name}", "-n", NAMESPACE, "--timeout=180s")
    wait_for(lambda: releases(STABLE) == {OLD}, 60, f"payment serves {OLD} alone")


def releases(selector: str) -> set[str]:
    """The releases that running pods serve."""
    return {variables(pod)["SENTRY_RELEASE"] for pod in pods(NAMESPACE, selector)}


def variant(path: Path, name: str, **release: Any) -> dict[str, Any]:
    """A scenario of this project under another name, and of a version that Sentry never saw."""
    document = copy.deepcopy(yaml.safe_load(path.read_text()))
    document["metadata"] = {"name": name, "namespace": NAMESPACE}
    document["spec"]["release"] |= {"version": f"1.5.{int(time.time())}", **release}
    return dict(document)


def status(name: str) -> dict[str, Any]:
    """The status of a scenario; empty before the operator has seen it."""
    found = get("sentryscenario", name, "-n", NAMESPACE)
    return dict(found.get("status") or {})


def in_phase(name: str, *phases: str, seconds: float = 120) -> dict[str, Any]:
    """The status once the run is in one of the phases."""
    wait_for(lambda: status(name).get("phase") in phases, seconds, f"{name} {' or '.join(phases)}")
    return status(name)


def complete(name: str) -> dict[str, Any]:
    """The status once `kubectl wait` has seen the run end."""
    kubectl("wait", "--for=condition=Complete", "--timeout=5m", f"sentryscenario/{name}", "-n", NAMESPACE)
    return status(name)
