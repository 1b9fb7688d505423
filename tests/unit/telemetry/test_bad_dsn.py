"""A DSN that is wrong, away or slow: requests are served on, memory has a bound, and the process ends."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from reelback_telemetry import sdk

FAILER = Path(__file__).with_name("failer.py")
QUEUES_MB = 6
"""What is kept of what nobody takes may grow by so much; with a queue that has no bound it was 14, as it is, 1."""


class _Refusing(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_error(403)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=["wrong key", "unknown host", "away", "slow"])
def dsn(request: pytest.FixtureRequest) -> Any:
    with ExitStack() as stack:
        if request.param == "wrong key":
            http = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _Refusing))
            thread = Thread(target=http.serve_forever, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(http.shutdown)
            yield f"http://key@127.0.0.1:{http.server_address[1]}/1"
        elif request.param == "unknown host":
            yield "http://key@nobody.invalid/1"
        else:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))  # without `listen` connections are refused
            if request.param == "slow":
                listener.listen(1000)  # the kernel accepts, and nobody answers
            yield f"http://key@127.0.0.1:{listener.getsockname()[1]}/1"


def test_requests_are_answered_in_bounded_memory_and_the_process_ends(dsn: str) -> None:
    run = subprocess.run(
        [sys.executable, str(FAILER)], env={"SENTRY_DSN": dsn}, capture_output=True, check=True, timeout=100
    )
    went = json.loads(run.stdout.splitlines()[-1])
    assert went["answered"] == 1_500
    assert went["longest"] < 1, "a request has waited for the backend"
    assert went["grown"] < QUEUES_MB
    assert went["closed"] < 2 * sdk.CLOSE_SECONDS + 3


@pytest.mark.parametrize("dsn", ["nonsense", "http://127.0.0.1/1", "ftp://key@host/1"])
def test_a_dsn_that_is_none_is_refused_at_the_start(dsn: str) -> None:
    with pytest.raises(ValueError, match="dsn: "):
        sdk.start("nobody", dsn=dsn)
