"""The machine's own mongod, with a user of its own: it asks for a password from its first start on.

A new mongod takes one user from this machine and obeys only that one afterwards. If somebody else was first, the
password is refused, and this ends. It is told to mongod alone: who listens in its place on the port learns nothing.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from pymongo import MongoClient
from pymongo.errors import ConnectionFailure, OperationFailure

from reelback_local.files import write
from reelback_local.stores import access

START_SECONDS, ANSWER_MS = 40.0, 5000
"""How long mongod may take until it listens, and then until it answers."""


def main() -> None:
    """`python -m reelback_local.stores.mongod --port N --folder PATH`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    password, mongod = access.password(), shutil.which("mongod")
    if mongod is None:
        sys.exit("there is no mongod on the PATH")
    given.folder.mkdir(parents=True, exist_ok=True)
    config = given.folder.with_suffix(".conf")
    write(
        config,
        f"net: {{bindIp: {given.host}, port: {given.port}, unixDomainSocket: {{enabled: false}}}}\n"
        f"storage: {{dbPath: '{given.folder}', wiredTiger: {{engineConfig: {{cacheSizeGB: 0.25}}}}}}\n"
        "security: {authorization: enabled}\n",
    )
    with subprocess.Popen([mongod, "--config", str(config)]) as server:  # noqa: S603
        told: list[int] = []

        def end(number: int, _: object) -> None:
            told.append(number)
            server.send_signal(number)

        for ending in (signal.SIGTERM, signal.SIGINT):
            signal.signal(ending, end)
        try:
            _let_in(given.host, given.port, password, server)
        except (OperationFailure, ConnectionFailure, TimeoutError) as error:
            # One that has ended by itself has said why, as the last line of the log; one that is told to end is silent.
            if server.poll() is None and not told:
                server.terminate()
                sys.exit(f"mongod has another user, or does not answer: {error}")
        sys.exit(server.wait())


def _let_in(host: str, port: int, password: str, server: subprocess.Popen[bytes]) -> None:
    """Return when the user can sign in; it is made if there is none. Raises what pymongo does, and TimeoutError."""
    end = time.monotonic() + START_SECONDS
    while not _listens(server.pid, port):
        if server.poll() is not None or time.monotonic() > end:
            raise TimeoutError(f"it does not listen on port {port}")
        time.sleep(0.05)
    url = access.url("mongodb", host, port, password)
    try:
        _ping(url)
    except OperationFailure:
        with MongoClient[dict[str, Any]](host, port, serverSelectionTimeoutMS=ANSWER_MS) as anybody:
            anybody.admin.command("createUser", access.USER, pwd=password, roles=["root"])
        _ping(url)


def _ping(url: str) -> None:
    with MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=ANSWER_MS) as client:
        client.admin.command("ping")


def _listens(pid: int, port: int) -> bool:
    try:
        found = psutil.Process(pid).net_connections("tcp")
    except psutil.Error:  # it has ended
        return False
    return any(it.status == psutil.CONN_LISTEN and it.laddr and it.laddr.port == port for it in found)


if __name__ == "__main__":
    main()
