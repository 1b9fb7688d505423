"""What a service says of a request is on its events and on its segment, in classes."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from reelback_telemetry.context import age_class, balance_class

from tests.unit.common import collector as collecting

DESCRIBER = Path(__file__).with_name("describer.py")
KIND = {
    "player.tier": "vip",
    "account.age": "week",
    "balance.class": "high",
    "game": "classic",
    "feature": "spin",
    "authenticated": "true",
}


def test_what_is_known_of_a_request_is_on_its_event_and_its_segment() -> None:
    with collecting.running() as collector:
        subprocess.run([sys.executable, str(DESCRIBER)], env={"SENTRY_DSN": collector.dsn}, check=True, timeout=60)
        (event,) = collector.of("event")
        assert event["tags"] == {"business.operation": "spin", **KIND}
        assert event["fingerprint"] == ["{{ default }}", "spin", "ValueError", "vip"]
        segments = {span.name: span for span in collector.spans if span.segment}
        assert KIND.items() <= segments["fails"].attributes.items()
        assert segments["fails"].attributes["user.id"] == "p1"
        inner = {span.parent_id: span for span in collector.spans if not span.segment}
        assert not KIND.keys() & inner[segments["fails"].span_id].attributes.keys()
        assert "432199" not in str([collector.items, collector.spans])
        # What is an answer marks no span as failed.
        statuses = {name: (span.status, inner[span.span_id].status) for name, span in segments.items()}
        assert statuses == {"fails": (2, 2), "refuses": (0, 0)}


@pytest.mark.parametrize(("days", "name"), [(-1, "day"), (0, "day"), (1, "week"), (7, "month"), (30, "older")])
def test_ages_have_classes(days: int, name: str) -> None:
    assert age_class(timedelta(days=days)) == name


@pytest.mark.parametrize(
    ("amount", "name"), [(-5, "none"), (0, "none"), (1, "low"), (1_999, "low"), (2_000, "middle"), (100_000, "high")]
)
def test_balances_have_classes(amount: int, name: str) -> None:
    assert balance_class(amount) == name
