"""The players, as a process against a gateway's surface that only counts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest


class Gateway(ThreadingHTTPServer):
    """Answers as the gateway does; keeps method, path, token and body of every request.

    A request for the path `broken` is answered with 500, every other one with the end of the connection.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, str, str, dict[str, Any]]] = []
        self.times: list[float] = []
        self.broken = ""
        self.asked = 0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        """A player who ends cuts its connection."""

    def counts(self) -> Counter[str]:
        return Counter(path for _, path, _, _ in self.seen)


class Handler(BaseHTTPRequestHandler):
    server: Gateway
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self.answer("GET")

    def do_POST(self) -> None:
        self.answer("POST")

    def answer(self, method: str) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
        path = self.path.removeprefix("/api/v1/")
        status = 500 if path == self.server.broken else 201 if method == "POST" else 200
        if path == "/readyz":
            self.server.asked += 1
        else:
            self.server.times.append(time.monotonic())
            self.server.seen.append((method, path, self.headers.get("authorization", ""), body))
        if status == 500 and len(self.server.seen) % 2:
            self.close_connection = True
            return
        reply = json.dumps({"token": body.get("email", ""), "balance_after": 1000, "lines": [[0]] * 7}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with Gateway() as server:
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def loadgen(url: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "reelback_loadgen"],
        env={**os.environ, "GATEWAY_URL": url, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_players_keep_the_rate_and_mostly_spin(gateway: Gateway) -> None:
    with loadgen(gateway.url, LOAD_RPS="40", LOAD_SECONDS="9") as process:
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    begun = gateway.times[0] + 5  # by then the players have all begun
    rate = sum(begun <= at < begun + 3 for at in gateway.times) / 3
    assert 25 < rate < 46, "a busy machine makes it less, nothing makes it more"
    assert " 0 failed (0.0%)" in out
    cut = len(gateway.seen) - int(out.split()[0])
    assert 0 <= cut <= 40, "each of the 40 players has at most one request that the end cuts"

    counts = gateway.counts()
    emails = {body["email"] for _, path, _, body in gateway.seen if path == "users"}
    assert len(emails) == counts["users"] == counts["sessions"] == 40
    played = [(token, body) for _, path, token, body in gateway.seen if path == "spins"]
    spun = {token.removeprefix("Bearer ") for token, _ in played}
    assert spun <= emails
    assert len(emails - spun) <= 4, "on a busy machine the last to come have not spun yet"
    assert len({body["request_id"] for _, body in played}) == len(played)
    assert all(body["bet"] % 7 == 0 for _, body in played)
    signed_in = sum(n for path, n in counts.items() if path not in ("users", "sessions", "paytable"))
    assert 0.7 < (counts["spins"] + counts["deposits"]) / signed_in < 0.95
    done = {"users", "sessions", "paytable", "leaderboard", "deposits", "spins"}
    assert set(counts) == done | {"wallet", "profile", "spins?limit=20", "wallet/entries?limit=20"}


def test_failures_are_counted_and_end_nothing_and_sigterm_does(gateway: Gateway) -> None:
    gateway.broken = "spins"
    with loadgen(gateway.url, LOAD_RPS="20") as process:
        while gateway.counts()["spins"] < 30:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    failed = int(out.split(" failed")[0].split()[-1])
    assert 15 <= failed <= gateway.counts()["spins"]


def test_it_waits_for_the_gateway_and_can_be_ended_meanwhile(gateway: Gateway) -> None:
    gateway.broken = "/readyz"
    with loadgen(gateway.url) as process:
        while gateway.asked < 2:
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)
    assert (process.returncode, gateway.seen) == (0, [])


@pytest.mark.parametrize(
    ("variables", "line"),
    [
        ({"GATEWAY_URL": ""}, "GATEWAY_URL: Field required"),
        ({"GATEWAY_URL": "gateway:8080"}, "GATEWAY_URL: String should match"),
        ({"LOAD_RPS": "-1"}, "LOAD_RPS: Input should be greater than 0"),
        ({"LOAD_SECONDS": "soon"}, "LOAD_SECONDS: Input should be a valid number"),
    ],
)
def test_a_bad_variable_is_one_line_with_its_name(variables: dict[str, str], line: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "reelback_loadgen"],
        env={**os.environ, "GATEWAY_URL": "http://127.0.0.1:1", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith(line)
    assert done.stderr.count("\n") == 1
