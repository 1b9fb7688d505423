"""The report of a run as a page."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from reelback_local import play
from reelback_local.page import charts
from reelback_local.page.facts import Evidence, Run
from reelback_local.page.render import page
from reelback_operator.engine.model.resource import Status
from reelback_operator.engine.model.status import CheckStatus, Event

SCENARIOS = Path(__file__).parents[3] / "scenarios"
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def status(**more: Any) -> Status:
    found = Status(run_id="1", timeline=[Event(at=NOW, event="Applied", detail="<b>run</b>")], **more)
    found.times.applied_at = NOW
    return found


def run(name: str, **more: Any) -> Run:
    [manifest] = play.read(SCENARIOS / f"scenario-{name}.yaml")
    known: dict[str, Any] = {"evidence": Evidence(), "rates": {}, "event": None, "trace": None, "status": status()}
    return Run(manifest, **(known | more))


def test_the_folder_is_played_in_the_order_that_its_files_say() -> None:
    manifests = play.read(SCENARIOS)
    names = [manifest["metadata"]["name"] for manifest in manifests]
    assert len(names) == len(list(SCENARIOS.glob("*.yaml")))
    assert names[0] == "distributed-tracing"
    # What is promoted serves from then on, and no later release may have its version.
    targets = [manifest["spec"].get("release", {}).get("targets") for manifest in manifests]
    last = names.index("healthy-release")
    assert targets[last] not in targets[last + 1 :]


def test_an_empty_folder_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(play.BadInput, match="holds no scenario"):
        play.read(tmp_path)


def test_evidence_grows_with_the_looks_and_each_counts_once() -> None:
    evidence = Evidence()
    for second, odds in ((1, 1.0), (1, 1.0), (2, 100.0), (3, 0.0)):
        at = NOW + timedelta(seconds=second)
        evidence.add(status(looked_at=at, checks=[CheckStatus(name="errors", evidence=odds)]))
    assert [round(power, 3) for _, power in evidence.points["errors"]] == [0.0, 2.0]


def test_a_chart_spans_its_points_its_marks_and_its_limit() -> None:
    at = NOW.timestamp()
    found = charts.chart({"a": [(at, 1.0), (at + 10, 3.0)]}, "", {"detected": NOW + timedelta(seconds=20)}, 5.0)
    assert found is not None
    [line], [(mark, _)] = found.lines, found.marks
    assert mark == charts.WIDTH - 8
    assert found.limit is not None
    heights = [float(point.partition(",")[2]) for point in line.path.split()]
    assert found.limit < heights[1] < heights[0], "upwards is less"
    assert charts.chart({"a": []}, "", {}) is None


def test_the_bars_of_a_trace_lie_within_it_and_what_has_no_times_is_left_out() -> None:
    span = {"start_timestamp": 10.0, "end_timestamp": 12.0, "description": "POST /spin", "children": []}
    inner = {
        **span,
        "start_timestamp": 11.0,
        "end_timestamp": 11.5,
        "additional_attributes": {"span.status": "aborted"},
    }
    first, second = charts.bars([{**span, "children": [inner]}, {"event_type": "error", "start_timestamp": 11.0}])
    assert (first.left, first.width, first.depth, first.failed) == (0.0, 100.0, 0, False)
    assert (second.left, second.width, second.depth, second.failed) == (50.0, 25.0, 1, True)


def test_a_page_needs_nothing_else_and_shows_text_as_text() -> None:
    event = {
        "title": "ValueError: <script>alert(1)</script>",
        "entries": [
            {
                "type": "exception",
                "data": {"values": [{"stacktrace": {"frames": [{"filename": "wallet.py", "lineNo": 7}]}}]},
            }
        ],
        "tags": [{"key": "release", "value": "payment@1.5.0"}],
    }
    whole = page([run("release-regression", event=event), run("distributed-tracing")])
    assert "<script" not in whole
    assert "&lt;b&gt;run&lt;/b&gt;" in whole
    assert "wallet.py:7" in whole
    assert 'href="#distributed-tracing"' in whole
    assert not [word for word in ("http://", "https://", "url(") if word in whole]
