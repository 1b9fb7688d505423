"""The stack on Kubernetes as a system to be killed: its controllers make new pods for those that are deleted."""

from __future__ import annotations

import base64
import subprocess
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from tests.cluster.kind import CONTEXT, get, kubectl

NAMESPACE = "reelback"
GATEWAY = "http://127.0.0.1:8080"
EXEC_SECONDS = 120


class Pods:
    """The pods of the stack. A context manager: it forwards ports to them."""

    gateway = GATEWAY

    def __init__(self) -> None:
        self._deleted: dict[str, set[str]] = {}
        self._forwards: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def kill(self, name: str) -> None:
        """Delete the pods of a name without a grace period: their processes get SIGKILL.

        The document store is told to end instead: what SIGKILL costs it depends on the server that runs there, and
        locally, where that is known to us, it is killed.
        """
        self._deleted[name] = {pod["metadata"]["uid"] for pod in _pods(name)}
        how = ["--grace-period=20"] if name == "mongodb" else ["--grace-period=0", "--force"]
        kubectl("delete", "pods", "-n", NAMESPACE, "-l", f"app.kubernetes.io/name={name}", "--wait=false", *how)

    def back(self, name: str) -> bool:
        """Whether there are other pods of this name, and all of them are ready."""
        found = _pods(name)
        return bool(found) and all(
            pod["metadata"]["uid"] not in self._deleted.get(name, ()) and _is_ready(pod) for pod in found
        )

    def addresses(self) -> tuple[str, str]:
        """MongoDB's URL, and analytics' host and port, on forwarded ports: to the pods that are there now."""
        self._close()
        secret = get("secret", "stores", "-n", NAMESPACE)
        inside = urlsplit(base64.b64decode(secret["data"]["MONGODB_URL"]).decode())
        user, _, _ = inside.netloc.rpartition("@")
        mongodb = "@".join(filter(None, (user, self._forward("mongodb", 27017))))
        return inside._replace(netloc=mongodb).geturl(), self._forward("analytics", 8084)

    def reconcile(self) -> tuple[int, str]:
        """Exit status and output of the command, in a pod of payment."""
        command = ["kubectl", "--context", CONTEXT, "exec", "-n", NAMESPACE, "deployment/payment", "--", "python", "-m",
                   "reelback_payment.reconcile"]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=EXEC_SECONDS, check=False)
        return done.returncode, done.stdout + done.stderr

    def _forward(self, name: str, port: int) -> str:
        command = ["kubectl", "--context", CONTEXT, "port-forward", "-n", NAMESPACE, f"service/{name}", f":{port}"]
        forward = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._forwards.append(forward)
        assert forward.stdout is not None
        line = forward.stdout.readline()  # Forwarding from 127.0.0.1:40123 -> 27017; or nothing, when it has ended
        assert "127.0.0.1:" in line, f"no port of {name} can be forwarded"
        return line.removeprefix("Forwarding from ").split()[0]

    def _close(self) -> None:
        for forward in self._forwards:
            forward.terminate()
            forward.communicate(timeout=10)
        self._forwards = []


def _pods(name: str) -> list[Any]:
    found = get("pods", "-n", NAMESPACE, "-l", f"app.kubernetes.io/name={name}")
    return list(found["items"]) if found else []  # none between a deletion and what the controller makes of it


def _is_ready(pod: Any) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", ())}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]
