"""Manifests: what is read, what is refused and with which words, and that a status survives being written."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from reelback_operator.engine.model.resource import Scenario, SpecError, Status

from tests.unit.engine.conftest import OUTAGE, SCENARIO

SCENARIOS = sorted((Path(__file__).parents[3] / "scenarios").glob("*.yaml"))


def load(*, text: str = SCENARIO, **changes: Any) -> Scenario:
    """The flagship with fields changed by path: `analysis__checks__0__alpha`."""
    manifest = yaml.safe_load(text)
    for path, value in changes.items():
        place: Any = manifest["spec"]
        *parents, last = [int(part) if part.isdigit() else part for part in path.split("__")]
        for parent in parents:
            if parent not in place and isinstance(parent, str):
                place[parent] = {}
            place = place[parent]
        place[last] = value
    return Scenario.load(manifest)


@pytest.mark.parametrize("file", SCENARIOS, ids=lambda file: file.stem)
def test_every_scenario_file_is_read(file: Path) -> None:
    scenario = Scenario.load(yaml.safe_load(file.read_text()))
    assert f"scenario-{scenario.name}" == file.stem
    assert file.read_text().startswith("# ")


def test_durations_and_decimals() -> None:
    spec = load(
        analysis__interval="500ms", analysis__deadline="3m", recovery__timeout="1h", analysis__checks__0__alpha="0.01"
    ).spec
    check = spec.analysis.checks[0]
    assert (spec.analysis.interval, spec.analysis.deadline, spec.recovery.timeout) == (0.5, 180.0, 3600.0)
    assert check.model_dump(mode="json", by_alias=True)["alpha"] == 0.01
    written = spec.model_dump(mode="json", by_alias=True)
    assert (written["analysis"]["interval"], written["analysis"]["deadline"]) == ("500ms", "180s")
    assert type(spec).model_validate(written) == spec


COMMIT = {"id": "ab12", "message": "Round bets", "author": "Ada", "email": "ada@team.example"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"analysis__interval": "-2s"}, "spec.analysis.interval: must be a duration like 500ms, 2s or 3m, not '-2s'"),
        ({"analysis__interval": "0s"}, "spec.analysis.interval: Input should be greater than 0"),
        ({"analysis__interval": 2}, "spec.analysis.interval: must be a duration like 500ms, 2s or 3m, not 2"),
        ({"analysis__interval": "2m"}, "spec.analysis: interval must not be longer than deadline"),
        ({"analysis__intervall": "2s"}, "spec.analysis.intervall: is not a known field"),
        ({"analysis__checks": []}, "spec.analysis: checks: needs either checks or evidence"),
        (
            {"analysis__checks__0__alpha": "1"},
            "spec.analysis.checks[0].alpha: Input should be less than or equal to 0.1",
        ),
        ({"analysis__checks__0__max": "0.1"}, "spec.analysis.checks[0]: max goes with method Threshold"),
        ({"analysis__checks__0__method": "Threshold"}, "spec.analysis.checks[0]: max goes with method Threshold"),
        ({"analysis__checks__1__type": "Issues"}, "spec.analysis.checks[1]: Input tag 'Issues' found using 'type'"),
        ({"analysis__checks__1__name": "errors"}, "spec.analysis: checks must have different names"),
        ({"analysis__onNoData": "Ignore"}, "spec.analysis.onNoData: Input should be 'Inconclusive' or 'Rollback'"),
        ({"analysis__warmUp": "3m"}, "spec.analysis: warmUp must end an interval before the deadline at least"),
        (
            {"release__targets__0__releaseFrom": {"variable": "APP", "imageTag": True}},
            "needs exactly one of variable, imageTag, label, annotation",
        ),
        ({"release__targets": None}, "spec.release.targets: Input should be a valid list"),
        (
            {"release__targets__0__name": "Payment!"},
            "spec.release.targets[0].name: must be a name of lower-case letters",
        ),
        ({"release__version": "latest"}, "spec.release.version: must be a semantic version like 1.5.0, not 'latest'"),
        (
            {"release__strategy": {"type": "BlueGreen"}},
            "spec.release.strategy.type: Input should be 'Canary' or 'Replace'",
        ),
        ({"release__patch__env": {"SENTRY_RELEASE": "x"}}, "must not set SENTRY_RELEASE"),
        ({"release__patch__env": {"REELBACK_FAULTS": "http://evil/$(SECRET)"}}, "must not hold $("),
        ({"release__commits": [{"id": "a"}]}, "spec.release.commits[0].message: is missing"),
        ({"release__commits": [{**COMMIT, "files": [""]}]}, "spec.release.commits[0].files[0]: String should have"),
        ({"load__rps": 0}, "spec.load.rps: Input should be greater than 0"),
        ({"expect": {"verdict": "Fine"}}, "spec.expect.verdict: Input should be 'RolledBack', 'Promoted'"),
    ],
)
def test_a_bad_spec_is_refused_by_the_name_of_the_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(**changes)
    assert message in str(caught.value)


FAULT = {"target": "payment", "values": {"payment.charge.error_rate": "1"}, "after": "10s", "duration": "20s"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"faults__0__target": "Payment!"}, "spec.faults[0].target: must be a name of lower-case letters"),
        ({"faults__0__values": {}}, "spec.faults[0].values: Dictionary should have at least 1 item"),
        ({"faults__0__values": {"a b": 1}}, "must be the key of a fault like payment.charge.error_rate, not 'a b'"),
        ({"faults__0__values": {"a.b": "inf"}}, "spec.faults[0].values.a.b: Input should be a finite number"),
        ({"faults__0__values": {"a.b": "-1"}}, "spec.faults[0].values.a.b: Input should be greater than or equal to 0"),
        ({"faults__0__duration": "55s"}, "spec: faults[0].duration: must end before analysis.deadline"),
        ({"faults": [FAULT, FAULT]}, "spec: faults must have different targets"),
        (
            {"release": {"version": "1.5.0", "targets": [{"name": "payment"}]}, "expect": None},
            "spec: faults[0].target: payment is a target of the release, too",
        ),
        ({"expect__verdict": "Promoted"}, "spec: expect.verdict: Promoted cannot come of it where there is no release"),
        ({"rollback": {"mode": "Never"}}, "spec: rollback: goes with a release"),
        (
            {"analysis__checks__0": {"name": "newbug", "type": "NewIssue"}},
            "spec: analysis.checks: must be of type Metric where there is no release",
        ),
        ({"analysis__checks__0__min": None}, "spec.analysis.checks[0]: needs min, max or both"),
        ({"analysis__checks__0__max": "0.5"}, "spec.analysis.checks[0]: min must not be more than max"),
        ({"analysis__checks__0__metric": "rate,gauge"}, "spec.analysis.checks[0].metric: must be the name of a metric"),
        ({"analysis__checks__0__unit": "-"}, "spec.analysis.checks[0].unit: must be a unit like ratio or cent"),
        ({"analysis__checks__0__aggregate": "last"}, "spec.analysis.checks[0].aggregate: Input should be 'avg'"),
    ],
)
def test_bad_faults_and_metrics_are_refused_by_the_name_of_the_field(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(text=OUTAGE, **changes)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ({}, "apiVersion: must be reelback.dev/v1alpha1, not None"),
        ({"apiVersion": "reelback.dev/v1alpha1", "kind": "Pod"}, "kind: must be SentryScenario, not 'Pod'"),
        ({"apiVersion": "reelback.dev/v1alpha1", "kind": "SentryScenario"}, "metadata.name: is missing"),
        (
            {"apiVersion": "reelback.dev/v1alpha1", "kind": "SentryScenario", "metadata": {"name": "x"}},
            "spec.analysis: is missing",
        ),
    ],
)
def test_what_is_no_scenario(manifest: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        Scenario.load(manifest)
    assert str(caught.value) == message


def test_a_status_survives_being_written() -> None:
    status = Status(run_id="1", load=True)
    status.times.applied_at = datetime(2025, 1, 1, 12, 0, 0, 500_000, UTC)
    written = status.to_json()
    assert written["times"] == {"appliedAt": "2025-01-01T12:00:00.500000Z"}
    assert Status.model_validate(written) == status
    assert Status.model_validate({**written, "fromTheFuture": 1}) == status
    assert Status().times.applied_at is None
