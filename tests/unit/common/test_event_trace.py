"""What reaches the backend from events: the trace goes on, one error for each that fails, metrics with their units."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.common import collector as collecting
from tests.unit.common.collector import Collector, ReceivedSpan
from tests.unit.common.kafka_parts import new_name

PROGRAM = Path(__file__).with_name("eventful.py")
CONSUMER = 5
ERROR = 2


@dataclass
class Run:
    topic: str
    collector: Collector
    causes: dict[str, tuple[str, str]]
    """Trace and span of the requests that caused the events good, poison, broken and garbage."""

    log: str

    def processed(self, name: str) -> ReceivedSpan:
        (span,) = [s for s in self.collector.trace(self.causes[name][0]) if s.name.startswith("process ")]
        return span

    def errors(self, name: str) -> list[Any]:
        trace_id = self.causes[name][0]
        return [e for e in self.collector.of("event") if e["contexts"]["trace"]["trace_id"] == trace_id]


def play(kafka_url: str, collector: Collector, **variables: str) -> Run:
    topic = new_name("bets")
    own = {
        "KAFKA_URL": kafka_url,
        "PORT": "0",
        "METRICS_PORT": "0",
        "SENTRY_DSN": collector.dsn,
        "SENTRY_RELEASE": "eventful@1.0.0",
        "PYTHONPATH": ".",
    }
    done = subprocess.run(
        [sys.executable, str(PROGRAM), topic],
        env={**os.environ, **own, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Run(topic, collector, json.loads(done.stdout.splitlines()[0]), done.stdout + done.stderr)


@pytest.fixture(scope="module")
def run(kafka_url: str) -> Iterator[Run]:
    with collecting.running() as collector:
        yield play(kafka_url, collector)


@pytest.mark.parametrize("name", ["good", "poison", "broken", "garbage"])
def test_the_trace_goes_on_from_the_request_that_caused_the_event(run: Run, name: str) -> None:
    trace_id, cause = run.causes[name]
    span = run.processed(name)
    assert (span.trace_id, span.parent_id, span.segment) == (trace_id, cause, True)
    assert (span.name, span.kind) == (f"process {run.topic}", CONSUMER)
    expected = {
        "messaging.system": "kafka",
        "messaging.destination.name": run.topic,
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.consumer.group.name": f"group-of-{run.topic}",
        "sentry.release": "eventful@1.0.0",
    }
    assert span.attributes | expected == span.attributes
    assert {"messaging.destination.partition.id", "messaging.kafka.offset"} <= set(span.attributes)
    if name != "garbage":
        assert span.attributes["user.id"] == "ann"
        assert "messaging.message.id" not in span.attributes, "it has a request id in it, which somebody typed"


def test_an_event_that_fails_is_one_error_with_its_trace_and_player(run: Run) -> None:
    assert run.errors("good") == []
    assert run.processed("good").status == 0
    for name, kind in [("poison", "Poison"), ("broken", "ValueError"), ("garbage", "Poison")]:
        (error,) = run.errors(name)
        span = run.processed(name)
        assert (error["exception"]["values"][-1]["type"], span.status) == (kind, ERROR)
        assert error["contexts"]["trace"]["span_id"] == span.span_id
        assert error["transaction"] == f"process {run.topic}"
        assert error.get("user") == {"id": "ann"}, "the key says whose it is, also where the event cannot be read"


def test_every_event_is_a_session(run: Run) -> None:
    rows = [row for item in run.collector.of("sessions") for row in item["aggregates"]]
    assert sum(row.get("exited", 0) for row in rows) == 5  # the four causes, and the good one
    assert sum(row.get("crashed", 0) for row in rows) == 3


def test_metrics_are_sent_with_unit_and_attributes_and_without_personal_data(run: Run) -> None:
    sent = {metric["name"]: metric for item in run.collector.of("trace_metric") for metric in item["items"]}
    rtp, volume = sent["game.rtp"], sent["bets.volume"]
    assert (rtp["type"], rtp["value"], rtp["unit"]) == ("gauge", 0.96, "ratio")
    assert (volume["type"], volume["value"], volume["unit"]) == ("counter", 250, "cent")
    values = {name: attribute["value"] for name, attribute in rtp["attributes"].items()}
    assert values | {"game": "classic", "sentry.release": "eventful@1.0.0", "sentry.environment": "local"} == values
    assert rtp["trace_id"] == run.causes["good"][0]
    assert volume["attributes"]["note"]["value"] == "of [email]"


def test_disabled_nothing_is_sent_and_the_work_is_done_all_the_same(kafka_url: str) -> None:
    with collecting.running() as collector:
        run = play(kafka_url, collector, OTEL_SDK_DISABLED="true")
        assert (collector.items, collector.spans) == ([], [])
    assert "the bytes are no Event" in run.log
