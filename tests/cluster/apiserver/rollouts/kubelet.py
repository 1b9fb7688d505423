"""A small kubelet and scheduler: pods come up, crash and go as their main image says, and no container ever runs.

The tag of the image `pay` is the behaviour, `name-seconds`:

- `works`: ready at once; `works-3`: ready after 3 s
- `crashes-3`: ready at once, ends after 3 s with exit code 1, and is ready again a second later
- `loops-3`: the same, and then waits in CrashLoopBackOff
- `sickens-3`: ready at once, not ready any more after 3 s
- `lingers-5`: ready at once, takes 5 s to end once it is deleted
- `absent`: ImagePullBackOff
- `huge`: no node has room for it

A container that crashes leaves its last words behind for `kubectl logs`.
"""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2

from tests.cluster.apiserver.server import NAMESPACE, TOKENS, Cluster

NODE = "node"
BEHAVIOUR = "pay:"
LAST_WORDS = "starting\npanic: no route to the acquirer\n  at charge\n"
SECONDS = 0.2
Object = dict[str, Any]
_TIMES = frozenset({"lastTransitionTime", "startTime", "startedAt", "finishedAt", "observedGeneration"})


class Kubelet:
    """Carries the pods of the namespace on, every so many seconds, until it is told to stop."""

    def __init__(self, cluster: Cluster) -> None:
        self._api = httpx2.Client(
            base_url=cluster.url, verify=False, headers={"Authorization": f"Bearer {TOKENS['admin']}"}, timeout=30
        )
        self._pods = f"/api/v1/namespaces/{NAMESPACE}/pods"
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.problem: Exception | None = None

    def start(self, port: int) -> None:
        """Make the node known, whose pods' logs are served at `port`, and begin."""
        made = self._api.post("/api/v1/nodes", json={"metadata": {"name": NODE}})
        assert made.is_success, made.text
        address = {"type": "InternalIP", "address": "127.0.0.1"}
        status = {"addresses": [address], "daemonEndpoints": {"kubeletEndpoint": {"Port": port}}}
        self._patch(f"/api/v1/nodes/{NODE}/status", {"status": status})
        self._thread.start()

    def stop(self) -> None:
        """End; whatever it could not do is raised here."""
        self._stopped.set()
        self._thread.join(60)
        self._api.close()
        if self.problem:
            raise self.problem

    def _run(self) -> None:
        try:
            while not self._stopped.wait(SECONDS):
                for pod in self._api.get(self._pods).raise_for_status().json()["items"]:
                    if _main(pod):
                        self._carry_on(pod)
        except Exception as error:
            self.problem = error

    def _carry_on(self, pod: Object) -> None:
        name, now = pod["metadata"]["name"], datetime.now(UTC)
        behaviour, seconds = _behaviour(pod)
        if pod["metadata"].get("deletionTimestamp"):
            asked = _time(pod["metadata"]["deletionTimestamp"]) - timedelta(
                seconds=pod["metadata"]["deletionGracePeriodSeconds"]
            )
            if behaviour != "lingers" or now >= asked + timedelta(seconds=seconds):
                self._api.request("DELETE", f"{self._pods}/{name}", json={"gracePeriodSeconds": 0})
        elif not pod["spec"].get("nodeName") and behaviour == "huge":
            self._set(pod, {"phase": "Pending", "conditions": [_condition("PodScheduled", "Unschedulable", now)]})
        elif not pod["spec"].get("nodeName"):
            target: Object = {"apiVersion": "v1", "kind": "Node", "name": NODE}
            self._api.post(f"{self._pods}/{name}/binding", json={"metadata": {"name": name}, "target": target})
        else:
            started = _time(pod["status"].get("startTime") or _text(now))
            self._set(pod, _status(pod, started, now))

    def _set(self, pod: Object, wanted: Object) -> None:
        present = {key: pod["status"].get(key) for key in wanted}
        if _without_times(present) != _without_times(wanted):
            self._patch(f"{self._pods}/{pod['metadata']['name']}/status", {"status": wanted})

    def _patch(self, path: str, patch: Object) -> None:
        answer = self._api.patch(path, json=patch, headers={"Content-Type": "application/merge-patch+json"})
        assert answer.is_success or answer.status_code in (404, 409), answer.text


def _status(pod: Object, started: datetime, now: datetime) -> Object:
    """What a kubelet says of a pod that it was given at `started`."""
    behaviour, seconds = _behaviour(pod)
    changed = started + timedelta(seconds=seconds)
    late = now >= changed
    running: Object = {"running": {"startedAt": _text(started)}}
    ended: Object = {"exitCode": 1, "reason": "Error", "startedAt": _text(started), "finishedAt": _text(changed)}
    back: Object = {"running": {"startedAt": _text(changed + timedelta(seconds=1))}}
    last: Object = {}
    state, restarts, ready = running, 0, True
    match behaviour:
        case "works":
            ready = late
        case "sickens":
            ready = not late
        case "absent":
            waiting: Object = {"reason": "ImagePullBackOff", "message": "Back-off pulling the image"}
            state, ready = {"waiting": waiting}, False
        case "crashes" if late:
            up = now >= changed + timedelta(seconds=1)
            state, last, restarts, ready = (
                (back, {"terminated": ended}, 1, True) if up else ({"terminated": ended}, {}, 0, False)
            )
        case "loops" if late:
            waiting = {"reason": "CrashLoopBackOff", "message": "back-off restarting failed container"}
            state, last, restarts, ready = {"waiting": waiting}, {"terminated": ended}, 1, False
    containers = []
    for container in pod["spec"]["containers"]:
        mine = container is _main(pod)
        containers.append(
            {
                "name": container["name"],
                "image": container["image"],
                "imageID": "",
                "ready": ready if mine else True,
                "started": "running" in state if mine else True,
                "restartCount": restarts if mine else 0,
                "state": state if mine else running,
                "lastState": last if mine else {},
            }
        )
    since = changed if late and behaviour != "absent" else started
    conditions = [
        _condition("PodScheduled", "", started, "True"),
        _condition("Ready", "" if ready else "ContainersNotReady", since, "True" if ready else "False"),
    ]
    return {
        "phase": "Pending" if behaviour == "absent" else "Running",
        "startTime": _text(started),
        "conditions": conditions,
        "containerStatuses": containers,
    }


def _main(pod: Object) -> Object:
    """The container whose image is a behaviour; a pod without one is left alone."""
    return next((each for each in pod["spec"]["containers"] if each["image"].startswith(BEHAVIOUR)), {})


def _behaviour(pod: Object) -> tuple[str, float]:
    name, _, seconds = _main(pod)["image"].removeprefix(BEHAVIOUR).partition("-")
    return name, float(seconds or 0)


def _condition(kind: str, reason: str, since: datetime, state: str = "False") -> Object:
    return {"type": kind, "status": state, "reason": reason, "lastTransitionTime": _text(since)}


def _without_times(found: object) -> object:
    """What is said without when, and without what the API server adds."""
    match found:
        case dict():
            return {key: _without_times(value) for key, value in found.items() if key not in _TIMES and value}
        case list():
            return [_without_times(each) for each in found]
        case _:
            return found


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)


class _Logs(BaseHTTPRequestHandler):
    """The logs of every container, that one before it too."""

    def do_GET(self) -> None:
        words = LAST_WORDS.encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(words)))
        self.end_headers()
        self.wfile.write(words)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the test's output is the operator's."""


@contextmanager
def kubelet(cluster: Cluster, folder: Path) -> Iterator[None]:
    """The kubelet of the cluster's one node, and the port of its logs."""
    key, certificate = folder / "kubelet.key", folder / "kubelet.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=node"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Logs)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    carrier = Kubelet(cluster)
    try:
        carrier.start(server.server_port)
        yield
    finally:
        server.shutdown()
        serving.join(10)
        server.server_close()
        carrier.stop()
