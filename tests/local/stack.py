"""The command `reelback` on a stack of its own: other ports, another folder."""

from __future__ import annotations

import json
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import psutil
from reelback_local.layout import ports, values
from reelback_local.layout.home import Home
from reelback_local.layout.plan import plan
from reelback_local.status import Process, StackStatus

ROOT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("reelback")

TESTER = "tester@reelback.example"
"""Who may use the debug endpoints, by the chart's values."""

PORT_TRIES = 3
IN_USE = "ddress already in use"

T = TypeVar("T")


@dataclass(frozen=True)
class Stack:
    """A stack that may run or not."""

    home: Home
    offset: int
    env: Mapping[str, str] = field(repr=False)

    @classmethod
    def on_free_ports(cls, folder: Path, **more: str) -> Stack:
        """A stack that does not run yet; `more` are variables of its processes."""
        home = Home(folder)
        home.create()
        while True:
            offset = random.randrange(3100, 5600)  # below the ports that the kernel gives to clients
            mine = {"REELBACK_HOME": str(folder), "REELBACK_PORT_OFFSET": str(offset), **more}
            sites = {"web": folder, "admin": folder}
            if ports.taken(plan(values.load(), mine, home, sites)) is None:
                return cls(home, offset, {**os.environ, **mine})

    @classmethod
    @contextmanager
    def running(cls, folder: Path, **more: str) -> Iterator[Stack]:
        """A stack that runs, and has ended without a trace afterwards."""
        for left in reversed(range(PORT_TRIES)):
            it = cls.on_free_ports(folder, **more)
            up = it.run("up", seconds=180)
            if up.returncode and IN_USE in up.stdout and left:
                # Somebody else has taken a port since the look at it, which no test is about; but who?
                print(up.stdout, *_listening(), sep="\n")
                shutil.rmtree(folder)
                continue
            break
        assert up.returncode == 0, up.stdout
        try:
            yield it
        finally:
            down = it.run("down")
        assert down.returncode == 0, down.stdout
        assert it.left() == []

    def begin(self, *command: str) -> subprocess.Popen[str]:
        """Begin a command; its stdout can be read line by line."""
        return subprocess.Popen(
            [COMMAND, *command],
            cwd=ROOT,
            env=dict(self.env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; stdout and stderr are one."""
        process = self.begin(*command)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        return subprocess.CompletedProcess(command, process.returncode, output)

    def url(self, service: str) -> str:
        """Where an HTTP service is."""
        return f"http://127.0.0.1:{values.load().services[service].port + self.offset}"

    def ask(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """A request to the supervisor."""
        with httpx2.Client(transport=httpx2.HTTPTransport(uds=str(self.home.socket)), timeout=20) as client:
            return client.request(method, f"http://supervisor{path}", **options)

    def processes(self) -> dict[str, Process]:
        """The processes of the stack by name."""
        now = StackStatus.model_validate(self.ask("GET", "/status").json())
        return {process.name: process for process in now.processes}

    def sentry(self, path: str, **parameters: Any) -> Any:
        """A question to minisentry's API."""
        token = self.home.secrets(["MINISENTRY_TOKEN"])["MINISENTRY_TOKEN"]
        answer = httpx2.get(
            f"{self.url('minisentry')}/api/0/organizations/reelback/{path}",
            params=parameters,
            headers={"Authorization": f"Bearer {token}"},
            timeout=10,
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def mails(self) -> list[dict[str, Any]]:
        """What the mailbox has taken, the newest first."""
        mails: list[dict[str, Any]] = httpx2.get(f"{self.url('mailbox')}/api/messages", timeout=10).json()
        return mails

    def look(self) -> None:
        """Ask for the page of the game, and for that of the back office."""
        for site in ("web", "admin"):
            answer = httpx2.get(self.url(site), timeout=10)
            assert answer.status_code == 200, answer.text

    def text(self, mail: Mapping[str, Any]) -> str:
        """The words of a mail."""
        text: str = httpx2.get(f"{self.url('mailbox')}/api/messages/{mail['id']}", timeout=10).json()["text"]
        return text

    def code(self, email: str) -> str | None:
        """The code in the first mail to an address, once it is there."""
        mail = next((mail for mail in self.mails() if email in mail["to"]), None)
        return re.findall(r"\b[A-Z2-7]{16}\b", self.text(mail))[0] if mail else None

    def report(self) -> dict[str, Any]:
        """What the last run left."""
        report: dict[str, Any] = json.loads(self.home.last_run.read_text())
        return report

    def left(self) -> list[str]:
        """The processes that live, whoever started them: all of a stack work in its folder."""
        return [
            " ".join(process.info["cmdline"] or [])
            for process in psutil.process_iter(["cwd", "cmdline"])
            if process.info["cwd"] == str(self.home.folder)
        ]


def _listening() -> list[str]:
    """The sockets of this machine that listen, and whose they are."""
    return [
        f"{socket.laddr} {psutil.Process(socket.pid).cmdline() if socket.pid else '?'}"
        for socket in psutil.net_connections("tcp")
        if socket.status == psutil.CONN_LISTEN
    ]


class Player:
    """One signed-in player of a stack."""

    def __init__(self, stack: Stack, email: str = "", name: str = "Test") -> None:
        self._http = httpx2.Client(base_url=f"{stack.url('gateway')}/api/v1/", timeout=10)
        self.email = email or f"{secrets.token_hex(8)}@players.example"
        self.password = secrets.token_hex(16)
        self._account = {"email": self.email, "password": self.password}
        self.player_id: str = self.post("users", **self._account, display_name=name)["player_id"]
        self.sign_in()

    def sign_in(self) -> None:
        """A new session."""
        self._http.headers["Authorization"] = f"Bearer {self.post('sessions', **self._account)['token']}"

    def close(self) -> None:
        self._http.close()

    @property
    def authorization(self) -> str:
        """The header of the session."""
        return str(self._http.headers["Authorization"])

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        """The answer to a request that succeeds."""
        answer = self._http.post(path, json=body)
        assert answer.is_success, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def register(self) -> tuple[int, str]:
        """Register somebody else; the HTTP status, and the id of the trace."""
        account = {"email": f"{secrets.token_hex(8)}@players.example", "password": secrets.token_hex(16)}
        return self.traced("POST", "users", **account, display_name="Test")

    def deposit(self, amount: int) -> None:
        self.post("deposits", request_id=secrets.token_hex(8), amount=amount)

    def traced(self, method: str, path: str, **body: Any) -> tuple[int, str]:
        """Send a request that begins a trace; the HTTP status, and the id of the trace."""
        trace = secrets.token_hex(16)
        headers = {"traceparent": f"00-{trace}-{secrets.token_hex(8)}-01"}
        return self._http.request(method, path, json=body or None, headers=headers).status_code, trace

    def spin(self) -> tuple[int, str]:
        """Play once; the HTTP status, and the id of the trace it was part of."""
        return self.traced("POST", "spins", request_id=secrets.token_hex(8), bet=5)

    def balance(self) -> int:
        balance: int = self._http.get("wallet").json()["balance"]
        return balance


def until(look: Callable[[], T | None], what: str, seconds: float = 60) -> T:
    """What `look` returns once that is true."""
    end = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
    return found


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """The lines that a command prints up to the first that contains `text`."""
    lines: list[str] = []
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"{text!r} did not come:\n{''.join(lines)}")
