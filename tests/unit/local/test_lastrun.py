"""What a run leaves for the next."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from reelback_local import lastrun, play
from reelback_operator.engine.model.resource import Phase, Status, Verdict

SCENARIO = {"metadata": {"name": "it"}, "spec": {"runId": "1"}}


def test_a_run_that_was_cut_off_is_gone_on_with(tmp_path: Path) -> None:
    file = tmp_path / "last-run.json"
    lastrun.save(file, SCENARIO, Status(run_id="1", phase=Phase.ROLLING_BACK, message="halfway"))
    assert json.loads(file.read_text())["status"]["runId"] == "1"
    assert lastrun.resumable(file, SCENARIO).phase is Phase.ROLLING_BACK
    assert lastrun.resumable(file, SCENARIO | {"spec": {"runId": "2"}}) == Status()
    lastrun.forget_unfinished(file)
    assert not file.exists()
    assert lastrun.resumable(file, SCENARIO) == Status()


def test_a_run_that_is_over_begins_anew_and_its_report_stays(tmp_path: Path) -> None:
    file = tmp_path / "last-run.json"
    lastrun.save(file, SCENARIO, Status(run_id="1", phase=Phase.SUCCEEDED, verdict=Verdict.PROMOTED))
    assert lastrun.resumable(file, SCENARIO) == Status()
    lastrun.forget_unfinished(file)
    assert json.loads(file.read_text())["status"]["verdict"] == "Promoted"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file"),
        ("a: [", "not YAML"),
        ("- 1", "holds no scenario"),
        ("kind: Deployment", "apiVersion: must be"),
    ],
)
def test_a_file_that_holds_no_scenario_is_refused_by_name(tmp_path: Path, text: str | None, message: str) -> None:
    file = tmp_path / "scenario.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(play.BadInput, match=message) as refused:
        play.read(file)
    assert str(file) in str(refused.value)
