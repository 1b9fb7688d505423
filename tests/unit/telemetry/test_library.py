"""The library in a service that is not this project's: docs/examples/shop.py, and what it says of what it did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.unit.common import collector as collecting
from tests.unit.common.ports import free_port

EXAMPLES = Path(__file__).parents[3] / "docs/examples"


@dataclass
class Shop:
    url: str
    collector: collecting.Collector
    end: Any

    def order(self, **parameters: int) -> int:
        return httpx2.post(f"{self.url}/orders/o1", params=parameters, timeout=10).status_code


@pytest.fixture
def shop() -> Iterator[Shop]:
    port = free_port()
    with collecting.running() as collector:
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "shop:served", "--port", str(port)],
            cwd=EXAMPLES,
            env={**os.environ, "SENTRY_DSN": collector.dsn},
        )

        def end() -> None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)

        try:
            limit = time.monotonic() + 60
            while True:
                try:
                    httpx2.get(f"http://127.0.0.1:{port}/docs")
                    break
                except httpx2.TransportError:
                    assert process.poll() is None
                    assert time.monotonic() < limit, "it does not serve"
                    time.sleep(0.1)
            yield Shop(f"http://127.0.0.1:{port}", collector, end)
        finally:
            process.kill()
            process.wait()


def errors(collector: collecting.Collector) -> list[Any]:
    """The events of exceptions: on a slow machine there is one of a slow order, too."""
    return [event for event in collector.of("event") if "exception" in event]


def metrics(collector: collecting.Collector) -> dict[str, dict[str, Any]]:
    return {metric["name"]: metric for item in collector.of("trace_metric") for metric in item["items"]}


def test_a_failure_is_one_issue_with_what_the_service_knows(shop: Shop) -> None:
    assert shop.order(stock=0) == 500
    (event,) = shop.collector.wait(lambda: errors(shop.collector))
    assert event["fingerprint"] == ["{{ default }}", "order", "ZeroDivisionError", ""]
    assert event["contexts"]["business"] == {"stock": 0}
    assert event["tags"] == {"payment": "card", "business.operation": "order"}
    assert event["user"] == {"id": "u1"}
    assert (event["release"], event["transaction"]) == ("shop@1.0.0", "POST /orders/{order}")
    crumbs = event["breadcrumbs"]["values"]
    assert ("business", "order placed", {"order": "o1", "stock": 0}) in [
        (crumb["category"], crumb["message"], crumb.get("data")) for crumb in crumbs
    ]
    shop.end()
    assert len(errors(shop.collector)) == 1, "raised on, it is no second event"


def test_what_happened_is_counted_and_is_in_the_trace(shop: Shop) -> None:
    assert shop.order(stock=4) == 200
    shop.end()
    found = metrics(shop.collector)
    assert found["funnel"]["attributes"]["step"]["value"] == "ordered"
    assert found["performance"]["value"] > 0
    (logged,) = [log for item in shop.collector.of("log") for log in item["items"] if log["body"] == "order placed"]
    assert logged["attributes"]["business.stock"]["value"] == 4
    spans = [span for span in shop.collector.spans if span.name in ("order", "POST /orders/{order}")]
    assert len({span.trace_id for span in spans}) == 1
    assert logged["trace_id"] == spans[0].trace_id
    assert errors(shop.collector) == []
