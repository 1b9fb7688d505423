"""A real Kafka broker that can be killed, and comes back with its data."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from reelback_common import kafka
from reelback_local.stores import access

from tests.unit.common.ports import free_port

PASSWORD = "the-password-of-the-tests-stores"


class Broker:
    """One node on ports of its own; `start` returns when it answers."""

    def __init__(self, folder: Path) -> None:
        self._port, self._controller = free_port(), free_port()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return access.url("kafka", "127.0.0.1", self._port, PASSWORD)

    def start(self) -> None:
        command = [sys.executable, "-m", "reelback_local.stores.kafka", "--folder", str(self._folder)]
        command += ["--port", str(self._port), "--controller-port", str(self._controller)]
        log = self._folder / "stdout"
        with log.open("a") as out:
            env = {**os.environ, access.VARIABLE: PASSWORD}
            self._process = subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT)
        admin = AdminClient({**kafka.properties(self.url), "log_level": 0})
        end = time.monotonic() + 120
        while True:
            try:
                admin.list_topics(timeout=1)
                return
            except KafkaException:
                assert self._process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
