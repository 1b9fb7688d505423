"""The broker of the local stack loses nothing that it acknowledged, and tells truthfully when it is ready."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from reelback_common import kafka
from reelback_local.layout.plan import Spec
from reelback_local.processes import probes
from reelback_local.stores import access

from tests.unit.common.broker import PASSWORD
from tests.unit.common.ports import free_port
from tests.unit.common.waiting import until

MIB = 2**20
TOPIC = "bets"
Setting = str | int | float | bool


class Broker:
    """A broker on a folder, started and killed."""

    def __init__(self, folder: Path) -> None:
        self.port, controller = free_port(), free_port()
        self.spec = Spec("kafka", (), {}, self.port, probe="kafka")
        module = [sys.executable, "-m", "reelback_local.stores.kafka"]
        ports = ["--port", str(self.port), "--controller-port", str(controller)]
        self._command = [*module, *ports, "--folder", str(folder)]
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> int:
        """Start it and wait until it is ready; its pid."""
        self._process = subprocess.Popen(  # noqa: ASYNC220 - it is spoken to by its port alone
            self._command,
            env={**os.environ, access.VARIABLE: PASSWORD},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

        async def ready() -> bool:
            return await probes.ready(self.spec)

        await until(ready, 60)
        return self._process.pid

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def terminate(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(15)

    def client(self, **more: Setting) -> dict[str, Setting]:
        found = kafka.properties(access.url("kafka", "127.0.0.1", self.port, PASSWORD))
        return {**{name: found[name] for name in found if name != "logger"}, "log_level": 0, **more}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    it = Broker(tmp_path / "kafka")
    yield it
    it.kill()


def _read(broker: Broker, count: int) -> list[str]:
    """So many events of the topic, from its beginning."""
    consumer = Consumer(broker.client(**{"group.id": "it", "auto.offset.reset": "earliest"}))
    consumer.subscribe([TOPIC])
    seen: list[str] = []
    end = time.monotonic() + 30
    try:
        while len(seen) < count:
            assert time.monotonic() < end, f"{len(seen)} of {count}"
            messages = consumer.consume(500, timeout=0.5)
            seen += [(message.value() or b"").decode() for message in messages if message.error() is None]
    finally:
        consumer.close()
    return seen


@pytest.mark.timeout(120)
async def test_acknowledged_events_outlive_sigkill(broker: Broker) -> None:
    pid = await broker.start()
    admin = AdminClient(broker.client())
    admin.create_topics([NewTopic(TOPIC, 3, 1)])[TOPIC].result(10)
    acknowledged: set[str] = set()

    def told(error: KafkaError | None, message: Message) -> None:
        if error is None:
            acknowledged.add((message.value() or b"").decode())
            if len(acknowledged) == 1500:
                broker.kill()

    producer = Producer(broker.client(**{"enable.idempotence": True, "delivery.timeout.ms": 1000}))
    for number in range(3000):
        producer.produce(TOPIC, f"{number}".encode(), f"{number % 7}".encode(), on_delivery=told)
        producer.poll(0)
        if number % 100 == 0:
            producer.flush(10)
        if len(acknowledged) >= 1500:
            break
    producer.flush(10)
    assert not psutil.pid_exists(pid)
    assert len(acknowledged) >= 1500

    await broker.start()
    assert acknowledged <= set(_read(broker, len(acknowledged)))


@pytest.mark.timeout(120)
async def test_it_is_small_and_ends_in_order(broker: Broker) -> None:
    pid = await broker.start()
    assert psutil.Process(pid).memory_info().rss < 330 * MIB
    assert broker.terminate() == 143  # what a JVM ends with on SIGTERM


async def test_a_port_that_something_else_holds_is_no_broker() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not await probes.ready(Spec("kafka", (), {}, silent.getsockname()[1], probe="kafka"))
