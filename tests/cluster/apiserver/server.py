"""A real API server (etcd and kube-apiserver), and the controllers that make pods where a test needs them.

The binaries come from the folder KUBEBUILDER_ASSETS, the name that controller-runtime's envtest made usual.
"""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
OPERATOR_CHART = ROOT / "charts" / "reelback-operator"
NAMESPACE = "reelback"
OPERATOR_ACCOUNT = f"system:serviceaccount:{NAMESPACE}:reelback-operator"
TOKENS = {"admin": "admin-token", "operator": "operator-token"}


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Poll until the condition is truthy; fail naming what was waited for."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what}: not within {seconds} s"
        time.sleep(0.1)


@dataclass(frozen=True)
class Cluster:
    """A running API server and how to talk to it."""

    url: str
    folder: Path
    kubectl_path: str

    def kubeconfig(self, user: str) -> Path:
        """The kubeconfig of a user of TOKENS."""
        path = self.folder / f"{user}.kubeconfig"
        cluster = {"server": self.url, "insecure-skip-tls-verify": True}
        path.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "test", "cluster": cluster}],
                    "users": [{"name": user, "user": {"token": TOKENS[user]}}],
                    "contexts": [
                        {"name": "test", "context": {"cluster": "test", "user": user, "namespace": NAMESPACE}}
                    ],
                    "current-context": "test",
                }
            )
        )
        return path

    def kubectl(self, *arguments: str, stdin: object = None, user: str = "admin") -> subprocess.CompletedProcess[str]:
        """Run kubectl; a stdin that is no text is sent as JSON. The caller looks at the return code."""
        text = stdin if isinstance(stdin, str) or stdin is None else json.dumps(stdin)
        command = [self.kubectl_path, "--kubeconfig", str(self.kubeconfig(user)), *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)

    def apply(self, document: object) -> None:
        """Apply one document, or text of several, as the admin, and insist that it worked."""
        done = self.kubectl("apply", "-f", "-", stdin=document)
        assert done.returncode == 0, done.stderr

    def get(self, *arguments: str) -> Any:
        """The object that `kubectl get` finds, or None when there is none."""
        done = self.kubectl("get", *arguments, "-o", "json", "--ignore-not-found")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout else None


def free_port() -> int:
    """A TCP port that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(assets: str, folder: Path) -> Iterator[Cluster]:
    """An API server from the binaries in `assets`, which keeps its files in `folder`."""
    etcd_port, peer_port, port = free_port(), free_port(), free_port()
    (folder / "tokens.csv").write_text(
        f'{TOKENS["admin"]},admin,1,"system:masters"\n'
        f'{TOKENS["operator"]},{OPERATOR_ACCOUNT},2,"system:serviceaccounts"\n'
    )
    key = folder / "service-accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    etcd_url = f"http://127.0.0.1:{etcd_port}"
    peer_url = f"http://127.0.0.1:{peer_port}"
    commands = {
        "etcd": [
            f"--data-dir={folder}/etcd",
            "--unsafe-no-fsync",
            f"--listen-client-urls={etcd_url}",
            f"--advertise-client-urls={etcd_url}",
            f"--listen-peer-urls={peer_url}",
        ],
        "kube-apiserver": [
            f"--etcd-servers={etcd_url}",
            f"--secure-port={port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={folder}/certs",
            f"--token-auth-file={folder}/tokens.csv",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
        ],
    }
    with ExitStack() as processes:
        for name, arguments in commands.items():
            processes.enter_context(_process(assets, name, arguments, folder))
        cluster = Cluster(f"https://127.0.0.1:{port}", folder, f"{assets}/kubectl")
        wait_for(
            lambda: cluster.kubectl("get", "--raw", "/readyz").returncode == 0,
            90,
            f"kube-apiserver ready (logs in {folder})",
        )
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        yield cluster


@contextmanager
def controllers(cluster: Cluster, assets: str) -> Iterator[None]:
    """kube-controller-manager with what rolls Deployments out and deletes what belonged to something deleted."""
    kinds = ("deployment-controller", "replicaset-controller", "garbage-collector-controller")
    arguments = [
        f"--kubeconfig={cluster.kubeconfig('admin')}",
        f"--controllers={','.join(kinds)}",
        "--leader-elect=false",
        f"--secure-port={free_port()}",
        f"--cert-dir={cluster.folder}/controllers",
    ]
    with _process(assets, "kube-controller-manager", arguments, cluster.folder):
        yield


@contextmanager
def _process(assets: str, name: str, arguments: list[str], folder: Path) -> Iterator[None]:
    with (folder / f"{name}.log").open("w") as log:
        process = subprocess.Popen([f"{assets}/{name}", *arguments], stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
