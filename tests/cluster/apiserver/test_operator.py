"""The operator's own process, with exactly the rights of its chart, against an API server and no Sentry at all.

No controller runs here, so the test plays the Deployment's and the ReplicaSet's: what it writes, the operator reads.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.apiserver.server import NAMESPACE, Cluster, free_port, wait_for
from tests.cluster.apiserver.test_crd import scenario

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(cluster: Cluster, tmp_path: Path) -> Iterator[Start]:
    """Starts operators; what they said is shown when the test fails."""
    processes: list[subprocess.Popen[str]] = []
    log = tmp_path / "operator.log"

    def started(**variables: str) -> subprocess.Popen[str]:
        environment = {
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(cluster.kubeconfig("operator")),
            "PORT": str(free_port()),
            "METRICS_PORT": str(free_port()),
            "SENTRY_URL": f"http://127.0.0.1:{free_port()}",
            "SENTRY_ORG": "reelback",
            "SENTRY_PROJECT": "reelback",
            "SENTRY_AUTH_TOKEN": "token",
            "SENTRY_ENVIRONMENT": "demo",
            **variables,
        }
        with log.open("a") as output:
            command = [sys.executable, "-m", "reelback_operator"]
            processes.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output, text=True))
        return processes[-1]

    yield started
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    print(log.read_text())


@pytest.fixture(autouse=True)
def clean(cluster: Cluster) -> Iterator[None]:
    """Nothing is left of a test, and deleting it never takes long, operator or not."""
    yield
    for kind in ("sentryscenarios", "deployments", "replicasets", "cronjobs", "jobs", "pods", "leases", "events"):
        arguments = ("delete", kind, "--all", "-n", NAMESPACE, "--timeout=10s", "--force", "--grace-period=0")
        done = cluster.kubectl(*arguments)
        assert done.returncode == 0, done.stderr


def serve(cluster: Cluster, name: str, release: str) -> None:
    """A Deployment with one ready pod, as its controllers and a kubelet would have left them."""
    labels = {"app": name}
    container = {"name": name, "image": "x", "env": [{"name": "SENTRY_RELEASE", "value": release}]}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {**labels, "reelback.dev/rollouts": "enabled"}}
    cluster.apply({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})
    deployment = cluster.get("deployment", name)
    counts = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
    set_status(cluster, "deployment", name, {**counts, "observedGeneration": deployment["metadata"]["generation"]})
    owned = {**metadata, "ownerReferences": [owner(deployment)]}
    cluster.apply({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": owned, "spec": spec})
    owned = {**metadata, "ownerReferences": [owner(cluster.get("replicaset", name))]}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": owned, "spec": {"containers": [container]}})
    ready = {"type": "Ready", "status": "True"}
    set_status(cluster, "pod", name, {"phase": "Running", "conditions": [ready]})


def owner(found: dict[str, Any]) -> dict[str, Any]:
    """The reference by which what is made for an object belongs to it."""
    reference = {"apiVersion": found["apiVersion"], "kind": found["kind"], "controller": True}
    return {**reference, "name": found["metadata"]["name"], "uid": found["metadata"]["uid"]}


def players(cluster: Cluster) -> None:
    """The CronJob that the stack's chart ships."""
    pod = {"containers": [{"name": "load", "image": "x"}], "restartPolicy": "Never"}
    job = {"spec": {"template": {"metadata": {"labels": {"app": "load"}}, "spec": pod}}}
    spec = {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": job}
    metadata = {"name": "load", "namespace": NAMESPACE}
    cluster.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": metadata, "spec": spec})


def set_status(cluster: Cluster, kind: str, name: str, status: dict[str, Any]) -> None:
    patch = json.dumps({"status": status})
    done = cluster.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch)
    assert done.returncode == 0, done.stderr


def status(cluster: Cluster) -> dict[str, Any]:
    found = cluster.get("ssc", "trial")
    return dict(found.get("status") or {})


def events(cluster: Cluster) -> dict[str, str]:
    """The type of each Event about the scenario, by reason."""
    found = cluster.get("events", "--field-selector=involvedObject.name=trial")
    return {event["reason"]: event["type"] for event in found["items"]} if found else {}


def complete(cluster: Cluster, seconds: int = 30) -> dict[str, Any]:
    """The status once `kubectl wait` says that the run is over."""
    done = cluster.kubectl("wait", "--for=condition=Complete", f"--timeout={seconds}s", "ssc/trial")
    assert done.returncode == 0, done.stderr + json.dumps(status(cluster), indent=1)
    return status(cluster)


def test_a_target_that_does_not_exist_fails_by_name_and_runs_once_mended(cluster: Cluster, start: Start) -> None:
    cluster.apply(scenario())
    start()
    ended = complete(cluster)
    assert (ended["phase"], ended["verdict"]) == ("Failed", "Error")
    assert "spec.release.targets[0].name" in ended["message"]
    assert "payment" in ended["message"]
    assert events(cluster) == {"Applied": "Normal", "Refused": "Warning"}
    assert "finalizers" not in cluster.get("ssc", "trial")["metadata"]
    assert cluster.get("deployments,jobs")["items"] == [cluster.get("deployment", "reelback-operator")]

    serve(cluster, "payment", "payment@1.5.0")
    cluster.apply(scenario("spec", "runId", value="2"))
    wait_for(lambda: "already serves" in status(cluster)["message"], 30, "the mended spec is looked at")
    assert complete(cluster)["observedGeneration"] == 2


def test_without_sentry_nothing_is_rolled_out_and_nothing_is_left(cluster: Cluster, start: Start) -> None:
    serve(cluster, "payment", "payment@1.4.0")
    players(cluster)
    cluster.apply(scenario("spec", "analysis", "interval", value="1s"))
    start()
    ended = complete(cluster, 60)
    assert cluster.get("lease", "reelback-payment") is None, "the target is given back"
    assert (ended["phase"], ended["verdict"]) == ("Failed", "Error")
    assert "nothing was rolled out" in ended["message"]
    assert cluster.get("job", "load") is None
    assert cluster.get("deployment", "payment-candidate") is None
    assert cluster.get("deployment", "payment")["metadata"]["generation"] == 1
    assert {"LoadStarted", "LoadEnded"} <= set(events(cluster))

    version = cluster.get("ssc", "trial")["metadata"]["resourceVersion"]
    cluster.kubectl("annotate", "ssc", "trial", "looked=at-it")
    start()
    with pytest.raises(AssertionError):
        wait_for(lambda: status(cluster) != ended, 5, "a finished run is left alone")
    assert cluster.get("ssc", "trial")["metadata"]["resourceVersion"] > version


def test_a_run_survives_its_operator_and_other_peoples_writes(cluster: Cluster, start: Start) -> None:
    serve(cluster, "payment", "payment@1.4.0")
    players(cluster)
    cluster.apply(scenario("spec", "analysis", "interval", value="500ms"))
    first = start()
    wait_for(lambda: cluster.get("job", "load"), 30, "players")
    first.kill()
    first.wait(10)
    job = cluster.get("job", "load")["metadata"]["uid"]
    start()
    for number in range(20):
        cluster.kubectl("annotate", "--overwrite", "ssc", "trial", f"note={number}")
        found = cluster.get("job", "load")
        assert found is None or found["metadata"]["uid"] == job, "players were started twice"
    ended = complete(cluster, 60)
    assert [entry["event"] for entry in ended["timeline"]].count("LoadStarted") == 1
    assert cluster.get("ssc", "trial")["metadata"]["annotations"]["note"] == "19"


def test_deleting_never_waits_for_an_operator(cluster: Cluster, start: Start) -> None:
    serve(cluster, "payment", "payment@1.4.0")
    players(cluster)
    cluster.apply(scenario())
    operator = start()
    wait_for(lambda: cluster.get("job", "load"), 30, "players")
    job = cluster.get("job", "load")
    assert job["metadata"]["ownerReferences"][0]["uid"] == cluster.get("ssc", "trial")["metadata"]["uid"]
    operator.kill()
    operator.wait(10)
    assert cluster.kubectl("delete", "ssc", "trial", "--timeout=5s").returncode == 0

    # And with one: what the run had started is ended, though no garbage collector runs here.
    cluster.kubectl("delete", "job", "load")
    start()
    cluster.apply(scenario())
    wait_for(lambda: cluster.get("job", "load"), 30, "players")
    assert cluster.kubectl("delete", "ssc", "trial", "--timeout=5s").returncode == 0
    wait_for(lambda: cluster.get("job", "load") is None, 15, "the players of a deleted scenario are ended")


def test_sigterm_ends_it_at_once_in_the_middle_of_a_run(cluster: Cluster, start: Start) -> None:
    serve(cluster, "payment", "payment@1.4.0")
    players(cluster)
    cluster.apply(scenario())
    operator = start()
    wait_for(lambda: cluster.get("job", "load"), 30, "players")
    operator.send_signal(signal.SIGTERM)
    assert operator.wait(10) == 0


def test_it_watches_every_namespace_when_told(cluster: Cluster, start: Start, everywhere: None) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "elsewhere"}})
    start(WATCH_NAMESPACE="*")
    cluster.apply(scenario("metadata", "namespace", value="elsewhere"))
    done = cluster.kubectl("wait", "-n", "elsewhere", "--for=condition=Complete", "--timeout=30s", "ssc/trial")
    assert done.returncode == 0, done.stderr
    assert cluster.kubectl("delete", "ssc", "trial", "-n", "elsewhere", "--timeout=5s").returncode == 0


def test_the_crd_goes_at_once_with_scenarios_in_it(cluster: Cluster, start: Start) -> None:
    definition = json.dumps(cluster.get("crd", "sentryscenarios.reelback.dev"))
    cluster.apply(scenario())
    operator = start()
    complete(cluster)
    done = cluster.kubectl("delete", "crd", "sentryscenarios.reelback.dev", "--timeout=10s")
    assert done.returncode == 0, done.stderr
    assert operator.wait(60) != 0, "an operator without its CRD ends, so that it is started again and sees a new one"
    loaded = json.loads(definition)
    loaded["metadata"] = {key: loaded["metadata"][key] for key in ("name", "annotations")}
    cluster.apply(loaded)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd/sentryscenarios.reelback.dev")
