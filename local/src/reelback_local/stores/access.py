"""Who may use the stores: one user, with a password for each store that only the owner of the stack can read.

Everybody on a machine reaches a port of it, and a store obeys whoever it lets in. The passwords are in the stack's
private folder and in the environment of its processes, never on a command line.
"""

from __future__ import annotations

import os
import sys

USER = "reelback"
VARIABLE = "STORE_PASSWORD"
"""In the environment of a store's process: its password."""

_OPTIONS = {
    "redis": "",
    "mongodb": "/?authMechanism=SCRAM-SHA-256",
    "kafka": "?security.protocol=SASL_PLAINTEXT&sasl.mechanism=PLAIN",
}


def url(store: str, host: str, port: int, password: str) -> str:
    """The address of a store for its user; `password` holds no character that a URL would have to escape."""
    return f"{kind(store)}://{USER}:{password}@{host}:{port}{_OPTIONS[kind(store)]}"


def kind(store: str) -> str:
    """What kind of server a store is: `redis-telemetry` is a redis."""
    return store.partition("-")[0]


def password() -> str:
    """The password in this process's environment; a store that has none does not start."""
    found = os.environ.get(VARIABLE, "")
    if not found:
        sys.exit(f"{VARIABLE}: is not set")
    return found
