"""Processes of the chain, and free ports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.unit.common import collector as collecting
from tests.unit.common.ports import free_port

CHAIN = Path(__file__).with_name("chain.py")


@dataclass
class Process:
    port: int
    popen: subprocess.Popen[str]
    log: Path

    def end(self) -> int:
        """Ask it to end; its exit status."""
        self.popen.send_signal(signal.SIGTERM)
        return self.popen.wait(timeout=30)


def serving(role: str, port: int) -> bool:
    """Whether the process says it is ready."""
    try:
        if role == "front":
            return httpx2.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=1)
            return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
    except (httpx2.TransportError, grpc.RpcError):
        return False


@contextmanager
def started(role: str, folder: Path, variables: Mapping[str, str]) -> Iterator[Process]:
    """A process of the chain that is ready; killed at the end if it is still there."""
    port = free_port()
    own = {"PORT": str(port), "METRICS_PORT": "0", "SENTRY_RELEASE": f"{role}@1.0.0", "SENTRY_ENVIRONMENT": "test"}
    log = folder / f"{role}.log"
    with log.open("w") as out:
        popen = subprocess.Popen(
            [sys.executable, str(CHAIN), role],
            env={**os.environ, **own, **variables},
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        end = time.monotonic() + 60
        while not serving(role, port):
            assert popen.poll() is None, log.read_text()
            assert time.monotonic() < end, f"not ready: {log.read_text()}"
            time.sleep(0.05)
        yield Process(port, popen, log)
    finally:
        popen.kill()
        popen.wait()


@dataclass
class Chain:
    collector: collecting.Collector
    front: Process
    middle: Process
    back: Process

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.front.port}"


@contextmanager
def chain_of(folder: Path, **variables: str) -> Iterator[Chain]:
    """The chain; `variables` are those of all three beside their own."""
    with ExitStack() as stack:
        collector = stack.enter_context(collecting.running())
        common = {"SENTRY_DSN": collector.dsn, **variables}
        faults = {"REELBACK_FAULTS": '{"payment.charge.latency_ms": 1}'}
        back = stack.enter_context(started("back", folder, common | faults))
        (folder / "back").write_text(f"127.0.0.1:{back.port}\n")
        middle = stack.enter_context(started("middle", folder, common | {"TARGET": f"endpoints:{folder / 'back'}"}))
        target = {"TARGET": f"dns:///127.0.0.1:{middle.port}"}
        front = stack.enter_context(started("front", folder, common | target))
        yield Chain(collector, front, middle, back)


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    """front -> middle -> back, each a process, all sending to one collector."""
    with chain_of(tmp_path_factory.mktemp("chain")) as chain:
        yield chain


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts a single process of the chain: a role and its variables."""
    with ExitStack() as stack:
        yield lambda role, **variables: stack.enter_context(started(role, tmp_path, variables))
