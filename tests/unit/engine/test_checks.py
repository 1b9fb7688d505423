"""What each kind of check makes of a look: when it fails, and what it says."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from reelback_operator.engine import checks
from reelback_operator.engine.observations import Issue, Look, Measurement, Traffic
from reelback_operator.engine.status import CheckStatus, Counts, Status, TargetStatus

from tests.unit.engine.conftest import MakeScenario

APPLIED = datetime(2025, 1, 1, 12, tzinfo=UTC)
NEW, OLD = "payment@1.5.0", "payment@1.4.0"


def served(requests: int, failures: int = 0, p95: float | None = 0.02) -> Traffic:
    return Traffic(Counts(requests=requests, failures=failures), p95)


def looks(
    scenario: MakeScenario, check: dict[str, Any], *seen: Look, status: Status | None = None
) -> list[CheckStatus]:
    """What the check says after each of the looks."""
    spec = scenario({"analysis.checks": [{"name": "it", **check}]}).spec
    status = status or Status(targets=[TargetStatus(name="payment", old_release=OLD, new_release=NEW)])
    status.times.applied_at = APPLIED
    said = []
    for look in seen:
        checks.evaluate(spec, status, look)
        said.append(status.checks[0].model_copy())
    return said


def outcomes(said: Sequence[CheckStatus]) -> list[str]:
    return [check.outcome for check in said]


def test_sequential_says_value_baseline_and_evidence(scenario: MakeScenario) -> None:
    history = TargetStatus(name="payment", old_release=OLD, new_release=NEW, history=Counts(requests=200, failures=1))
    first, second = Look({NEW: served(40, 8), OLD: served(40)}), Look({NEW: served(90, 20), OLD: served(90)})
    two = looks(scenario, {"type": "ErrorRate"}, first, second, status=Status(targets=[history]))[-1]
    assert two.outcome == "Failed"
    assert (two.value, two.baseline, two.samples) == ("22.2 %", "0.3 %", 90)
    assert two.evidence is not None
    assert two.evidence >= 1000
    assert two.detail.startswith("it 22.2 % (20/90) against 0.3 % (1/290): evidence ")
    assert two.detail.endswith(" >= 1000")


def test_sequential_waits_for_both_and_for_counts_that_shrank(scenario: MakeScenario) -> None:
    status = Status(targets=[TargetStatus(name="payment", old_release=OLD, new_release=NEW)])
    alone = Look({NEW: served(30, 30)})
    grown = Look({NEW: served(40, 2), OLD: served(40, 1)})
    shrunk = Look({NEW: served(38, 2), OLD: served(44, 1)})
    said = looks(scenario, {"type": "ErrorRate"}, alone, grown, shrunk, status=status)
    assert outcomes(said) == ["NoData", "Running", "Running"]
    assert status.targets[0].candidate == Counts(requests=40, failures=2)


def test_sequential_of_several_targets_shares_alpha_and_names_the_worst(scenario: MakeScenario) -> None:
    names = ("payment", "user")
    targets = [TargetStatus(name=name, old_release=f"{name}@1.4.0", new_release=f"{name}@1.5.0") for name in names]
    good, bad = {"payment@1.4.0": served(50), "payment@1.5.0": served(50)}, {"user@1.4.0": served(50)}
    look = Look({**good, **bad, "user@1.5.0": served(50, 20)})
    [both] = looks(scenario, {"type": "ErrorRate"}, look, status=Status(targets=targets))
    [alone] = looks(scenario, {"type": "ErrorRate"}, look, status=Status(targets=[targets[1].model_copy(deep=True)]))
    assert both.detail.startswith("it in user 40.0 % (20/50)")
    assert both.evidence is not None
    assert alone.evidence is not None
    assert both.evidence < alone.evidence


def test_slowness_of_both_releases_is_not_the_candidates_fault(scenario: MakeScenario) -> None:
    check = {"type": "LatencyP95", "max": "500ms", "consecutiveFailures": 1}
    both = Look({NEW: served(100, p95=1.8), OLD: served(100, p95=0.7)})
    only = Look({NEW: served(100, p95=1.8), OLD: served(100, p95=0.3)})
    said = looks(scenario, check, both, only)
    assert outcomes(said) == ["Running", "Failed"]
    assert said[1].detail == "it P95 1800 ms against 300 ms, the limit is 500 ms: 1 of 1 looks in a row"


def test_a_limit_has_to_be_passed_so_often_in_a_row(scenario: MakeScenario) -> None:
    check = {"type": "LatencyP95", "max": "500ms", "consecutiveFailures": 2}
    slow, quick, few = (Look({NEW: served(100, p95=p95)}) for p95 in (0.6, 0.4, None))
    said = looks(scenario, check, slow, quick, slow, slow)
    assert outcomes(said) == ["Running", "Running", "Running", "Failed"]
    assert said[-1].detail == "it P95 600 ms, the limit is 500 ms: 2 of 2 looks in a row"
    assert outcomes(looks(scenario, check, Look({}), Look({NEW: served(19, p95=9.0)}), few)) == ["NoData"] * 3


def test_a_share_of_failures_above_the_limit(scenario: MakeScenario) -> None:
    check = {"type": "ErrorRate", "method": "Threshold", "max": "0.1", "consecutiveFailures": 1}
    [good, bad] = looks(scenario, check, Look({NEW: served(100, 10)}), Look({NEW: served(100, 11)}))
    assert outcomes([good, bad]) == ["Running", "Failed"]
    assert bad.detail == "it 11.0 % (11/100), the limit is 10 %: 1 of 1 looks in a row"


def test_only_an_issue_of_this_run_with_enough_events_is_new(scenario: MakeScenario) -> None:
    check = {"type": "NewIssue", "minEvents": 3}
    before, after = APPLIED - timedelta(hours=1), APPLIED + timedelta(seconds=9)
    old, rare, loud = (
        Look({}, {NEW: [Issue("Fault", "url", events, seen)]}) for events, seen in ((9, before), (2, after), (3, after))
    )
    said = looks(scenario, check, old, rare, loud)
    assert outcomes(said) == ["Running", "Running", "Failed"]
    assert said[-1].detail == "it: 'Fault', 3 events >= 3"


def test_a_figure_has_to_be_within_its_bounds(scenario: MakeScenario) -> None:
    check = {"type": "Metric", "metric": "game.rtp.deviation", "kind": "gauge", "consecutiveFailures": 2}
    good, low, high, none = (Look({}, metrics=found) for found in [*measured(0.5, -4.25, 4.125), {}])
    said = looks(scenario, {**check, "min": "-4", "max": "4"}, good, low, good, high, none, high, low)
    assert outcomes(said) == ["Running", "Running", "Running", "Running", "NoData", "Running", "Failed"]
    assert (said[0].value, said[0].samples, said[0].failures) == ("0.5", 5, 0)
    assert said[0].detail == "it 0.5, has to be at least -4 and at most 4"
    assert said[-1].detail == "it -4.25, has to be at least -4 and at most 4: 2 of 2 looks in a row"
    assert said[4].detail == "it: no data"


def test_a_figure_at_its_bound_is_well_and_shown_with_its_unit(scenario: MakeScenario) -> None:
    check = {"type": "Metric", "metric": "bets.volume", "kind": "counter", "unit": "cent", "min": "1000"}
    at, below = (Look({}, metrics=found) for found in measured(1000.0, 999.6))
    said = looks(scenario, {**check, "consecutiveFailures": 1}, at, below)
    assert outcomes(said) == ["Running", "Failed"]
    assert said[0].detail == "it 1000 cent, has to be at least 1000 cent"


def measured(*values: float) -> list[dict[str, Measurement]]:
    return [{"it": Measurement(value, 5)} for value in values]


def test_what_is_not_counted_from_spans_is_said(scenario: MakeScenario) -> None:
    look = Look({NEW: served(50), OLD: served(50)}, source="errors and sessions")
    [check] = looks(scenario, {"type": "ErrorRate"}, look)
    assert check.detail.endswith("(counted from errors and sessions: there are no spans)")
