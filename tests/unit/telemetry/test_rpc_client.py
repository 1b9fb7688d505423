"""Calls of gRPC in the trace of the request that they are made for: tests/unit/telemetry/caller.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.unit.common import collector as collecting

CALLER = Path(__file__).with_name("caller.py")


def test_calls_of_all_kinds_are_spans_with_their_outcome_and_go_on_with_the_trace() -> None:
    with collecting.running() as collector:
        run = subprocess.run(
            [sys.executable, str(CALLER)],
            env={"SENTRY_DSN": collector.dsn},
            capture_output=True,
            check=True,
            timeout=60,
        )
        outside, inside = run.stdout.decode().splitlines()[:2]
        (segment,) = [span for span in collector.spans if span.segment]
        calls = [span for span in collector.spans if not span.segment]
        assert [(span.name, span.attributes["rpc.grpc.status_code"], span.status) for span in calls] == [
            ("test.Ways/One", 0, 0),
            ("test.Ways/Many", 0, 0),
            ("test.Ways/Taken", 0, 0),
            ("test.Ways/Echoed", 0, 0),
            ("test.Ways/Refused", 5, 2),
            ("test.Ways/Silent", 4, 2),
        ]
        assert {span.parent_id for span in calls} == {segment.span_id}
        assert "own=kept" in outside
        assert segment.trace_id not in outside
        assert "traceparent" not in outside
        assert "own=kept" in inside
        assert f"traceparent=00-{segment.trace_id}-{calls[0].span_id}-" in inside
        assert f"sentry-trace={segment.trace_id}-{calls[0].span_id}-1" in inside
        (event,) = collector.of("event")
        crumbs = [it["message"] for it in event["breadcrumbs"]["values"] if it["category"] == "call"]
        assert crumbs == [f"test.Ways/{name}" for name in ("One", "Many", "Taken", "Echoed", "Refused")]
