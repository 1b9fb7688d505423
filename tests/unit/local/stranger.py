"""Another user of this machine: only root can become one, so elsewhere such a test is skipped, and says so."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

USER = "nobody"

_SEND = """
import os, socket, sys
with socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), 5) as server:
    server.sendall(bytes.fromhex(os.environ["SENT"]))
    while answer := server.recv(65536):
        sys.stdout.buffer.write(answer)
"""


def run(script: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """A shell script as this user."""
    su = shutil.which("su")
    if os.geteuid() != 0 or su is None:
        pytest.skip("only root can become another user: the attack is not tried as one")
    command = [su, USER, "-s", "/bin/sh", "-c", script]
    env = {**os.environ, **variables}
    return subprocess.run(command, cwd="/", env=env, capture_output=True, timeout=30, check=False)


def send(port: int, data: bytes) -> bytes:
    """What a server answers this user until it closes the connection, which `data` have to make it do."""
    done = run('exec python3 -c "$SEND"', SEND=_SEND, PORT=str(port), SENT=data.hex())
    assert done.returncode == 0, done.stderr
    return done.stdout
