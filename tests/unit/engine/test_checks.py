"""What each kind of check makes of a look: when it fails, what it says, and when it cannot vouch for a candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from reelback_operator.engine.judging import checks, rates
from reelback_operator.engine.model.observations import Issue, Latency, Look, Measurement
from reelback_operator.engine.model.status import CheckStatus, Counts, Status, TargetStatus

from tests.unit.engine.conftest import MakeScenario

BEGUN = datetime(2025, 1, 1, 12, tzinfo=UTC)
NEW, OLD = "payment@1.5.0", "payment@1.4.0"


def counted(requests: int, failures: int = 0) -> Counts:
    return Counts(requests=requests, failures=failures)


def targets(*names: str) -> list[TargetStatus]:
    return [TargetStatus(name=name, old_release=f"{name}@1.4.0", new_release=f"{name}@1.5.0") for name in names]


def looks(
    scenario: MakeScenario,
    check: dict[str, Any],
    *seen: Look,
    status: Status | None = None,
    past: Look | None = None,
    every: float = 2.0,
    changes: Mapping[str, Any] | None = None,
) -> list[CheckStatus]:
    """What the check says after each of the looks; `past` is what was served before the candidate."""
    spec = scenario({"analysis.checks": [{"name": "it", **check}], **(changes or {})}).spec
    status = status or Status(targets=targets("payment"))
    rates.begin(spec.analysis.checks, status.targets, past or Look(), BEGUN)
    said = []
    for number, look in enumerate(seen, 1):
        checks.evaluate(spec, status, look, BEGUN + timedelta(seconds=every * number))
        said.append(status.checks[0].model_copy())
    return said


def outcomes(said: Sequence[CheckStatus]) -> list[str]:
    return [check.outcome for check in said]


def growing(candidate: float, baseline: float, looks: int = 30, rate: int = 20) -> list[Look]:
    """Totals of so many looks; `candidate` and `baseline` are shares that fail."""
    return [
        Look({NEW: counted(rate * n, round(candidate * rate * n)), OLD: counted(rate * n, round(baseline * rate * n))})
        for n in range(1, looks + 1)
    ]


def test_sequential_says_value_baseline_and_evidence(scenario: MakeScenario) -> None:
    past = Look({OLD: counted(600, 3)})
    seen = [Look({NEW: counted(20 * n, 5 * n), OLD: counted(600 + 20 * n, 3)}) for n in range(1, 10)]
    said = looks(scenario, {"type": "ErrorRate"}, *seen, past=past)
    failed = next(check for check in said if check.outcome == "Failed")
    assert failed.evidence is not None
    assert failed.evidence >= 1000
    assert (failed.value, failed.baseline) == ("25.0 %", "0.4 %")
    assert failed.detail.startswith(f"it 25.0 % ({failed.samples // 4}/{failed.samples}) against 0.4 %")
    assert " >= 1000" in failed.detail


def test_a_healthy_candidate_is_vouched_for_once_both_have_served_enough(scenario: MakeScenario) -> None:
    said = looks(scenario, {"type": "ErrorRate"}, *growing(0.0, 0.0))
    assert set(outcomes(said)) == {"Running"}
    assert said[0].missing == "it has judged 20 of at least 50 requests of payment@1.5.0"
    assert (said[-1].missing, said[-1].vouches) == ("", True)


def test_a_baseline_that_stops_serving_is_missed(scenario: MakeScenario) -> None:
    healthy = growing(0.0, 0.0, looks=15)
    silent = [Look({NEW: counted(300 + 20 * n, 20 * n), OLD: counted(300)}) for n in range(1, 30)]
    said = looks(scenario, {"type": "ErrorRate"}, *healthy, *silent)
    assert said[14].vouches
    assert not said[-1].vouches
    assert "has judged nothing of payment@1.5.0 beside payment@1.4.0 for" in said[-1].missing


def test_counts_that_fall_once_are_taken_up_from_where_they_are(scenario: MakeScenario) -> None:
    for fallen in (counted(180, 0), counted(400, 0)):  # requests, or failures alone
        before = [Look({NEW: counted(20 * n), OLD: counted(20 * n, n)}) for n in range(1, 21)]
        after = [
            Look({NEW: counted(400 + 20 * n, 20 * n), OLD: counted(fallen.requests + 20 * n)}) for n in range(1, 20)
        ]
        said = looks(scenario, {"type": "ErrorRate"}, *before, *after)
        assert outcomes(said)[-1] == "Failed", fallen


def test_a_single_answer_that_is_short_is_not_judged_twice(scenario: MakeScenario) -> None:
    seen = growing(0.01, 0.01)
    short = Look({NEW: counted(20), OLD: counted(20)})
    status = Status(targets=targets("payment"))
    looks(scenario, {"type": "ErrorRate"}, *seen[:20], short, *seen[20:], status=status)
    assert (
        rates.served(scenario({}).spec.analysis.checks[0].model_copy(update={"name": "it"}), status.targets[0])
        == (seen[-1].traffic[NEW])
    )


def test_without_a_history_a_replacement_is_not_vouched_for(scenario: MakeScenario) -> None:
    replace = {"release.strategy": {"type": "Replace"}}
    seen = [Look({NEW: counted(200 * n, 60 * n)}) for n in range(1, 20)]
    for history in (0, 10):
        said = looks(scenario, {"type": "ErrorRate"}, *seen, past=Look({OLD: counted(history)}), changes=replace)
        assert not said[-1].vouches, history
    healthy = [Look({NEW: counted(200 * n)}) for n in range(1, 20)]
    past = Look({OLD: counted(1000, 1)})
    assert looks(scenario, {"type": "ErrorRate"}, *healthy, past=past, changes=replace)[-1].vouches
    assert looks(scenario, {"type": "ErrorRate"}, *seen, past=past, changes=replace)[-1].outcome == "Failed"


def test_what_an_earlier_run_of_the_same_version_served_is_not_judged(scenario: MakeScenario) -> None:
    past = Look({NEW: counted(500, 500), OLD: counted(500)})
    seen = [Look({NEW: counted(500 + 20 * n, 500), OLD: counted(500 + 20 * n)}) for n in range(1, 10)]
    last = looks(scenario, {"type": "ErrorRate"}, *seen, past=past)[-1]
    assert (last.outcome, last.value) == ("Running", "0.0 %")


def test_several_targets_share_alpha_and_the_worst_is_named(scenario: MakeScenario) -> None:
    def look(n: int) -> Look:
        bad = counted(20 * n, 10 * n)
        return Look({"payment@1.4.0": counted(20 * n), "payment@1.5.0": counted(20 * n), "user@1.4.0": counted(20 * n),
                     "user@1.5.0": bad})  # fmt: skip

    seen = [look(n) for n in range(1, 6)]
    both = looks(scenario, {"type": "ErrorRate"}, *seen, status=Status(targets=targets("payment", "user")))[-1]
    alone = looks(scenario, {"type": "ErrorRate"}, *seen, status=Status(targets=targets("user")))[-1]
    assert both.detail.startswith("it in user 50.0 % (50/100)")
    assert both.evidence is not None
    assert alone.evidence is not None
    assert both.evidence < alone.evidence


def test_slow_requests_and_crashed_sessions_are_compared_in_the_same_way(scenario: MakeScenario) -> None:
    def slow(n: int) -> Look:
        return Look(slow={"it": {NEW: counted(20 * n, 8 * n), OLD: counted(20 * n)}})

    def crashed(n: int) -> Look:
        return Look(sessions={NEW: counted(20 * n, 8 * n), OLD: counted(20 * n)})

    slower = {"type": "SlowRate", "slowerThan": "500ms"}
    assert looks(scenario, slower, *map(slow, range(1, 20)))[-1].outcome == "Failed"
    assert looks(scenario, {"type": "CrashFreeSessions"}, *map(crashed, range(1, 20)))[-1].outcome == "Failed"
    for check in (slower, {"type": "CrashFreeSessions"}):
        assert not looks(scenario, check, *growing(0.0, 0.0))[-1].vouches, "nobody counted what it judges by"


def test_an_old_error_that_only_moved_is_no_new_issue(scenario: MakeScenario) -> None:
    def look(n: int, before: int) -> Look:
        traffic = {NEW: counted(20 * n), OLD: counted(20 * n)}
        issue = Issue("Fault", "url", 5 * n)
        return Look(traffic, errors={NEW: 5 * n, OLD: before * n}, issues={NEW: [issue]})

    check = {"type": "NewIssue", "minEvents": 3}
    moved = looks(scenario, check, *(look(n, before=5) for n in range(1, 30)))
    new = looks(scenario, check, *(look(n, before=0) for n in range(1, 30)))
    assert (outcomes(moved)[-1], outcomes(new)[-1]) == ("Running", "Failed")
    few = looks(scenario, {**check, "minEvents": 1000}, *(look(n, before=0) for n in range(1, 30)))
    assert outcomes(few)[-1] == "Running"


def latency(new: float | None, old: float | None = None, requests: int = 100) -> Look:
    found = {release: Latency(p95, requests) for release, p95 in ((NEW, new), (OLD, old)) if p95 is not None}
    return Look({NEW: counted(100), OLD: counted(100)}, latency=found)


@pytest.mark.parametrize(
    ("new", "old", "outcome"),
    [(1.8, 1.3, "Running"), (1.8, 0.3, "Failed"), (10.0, 0.51, "Failed"), (0.4, 0.3, "Running"), (1.8, None, "Failed")],
)
def test_slowness_of_both_alike_is_not_the_candidates_fault(
    scenario: MakeScenario, new: float, old: float | None, outcome: str
) -> None:
    check = {"type": "LatencyP95", "max": "500ms", "consecutiveFailures": 1}
    assert outcomes(looks(scenario, check, latency(new, old))) == [outcome]


def test_a_limit_has_to_be_passed_so_often_in_a_row(scenario: MakeScenario) -> None:
    check = {"type": "LatencyP95", "max": "500ms", "consecutiveFailures": 2}
    slow, quick, none = latency(0.6), latency(0.4), latency(None)
    said = looks(scenario, check, slow, quick, slow, none, slow)
    assert outcomes(said) == ["Running", "Running", "Running", "NoData", "Failed"]
    assert said[-1].detail == "it P95 600 ms, the limit is 500 ms: 2 of 2 looks in a row"


def test_a_percentile_that_never_comes_vouches_for_nobody(scenario: MakeScenario) -> None:
    check = {"type": "LatencyP95", "max": "500ms"}
    for look in (latency(None), latency(9.0, requests=19)):
        said = looks(scenario, check, *[look] * 20)
        assert outcomes(said) == ["NoData"] * 20
        assert not said[-1].vouches
        assert "has judged nothing lately: P95 of" in said[-1].missing


def test_a_share_of_failures_above_the_limit(scenario: MakeScenario) -> None:
    check = {"type": "ErrorRate", "method": "Threshold", "max": "0.1", "consecutiveFailures": 1}
    [good, bad] = looks(scenario, check, Look({NEW: counted(100, 10)}), Look({NEW: counted(200, 22)}))
    assert outcomes([good, bad]) == ["Running", "Failed"]
    assert bad.detail == "it 11.0 % (22/200), the limit is 10 %: 1 of 1 looks in a row"


def test_a_target_with_one_request_does_not_hide_another(scenario: MakeScenario) -> None:
    check = {"type": "ErrorRate", "method": "Threshold", "max": "0.1", "consecutiveFailures": 1}
    look = Look({"payment@1.5.0": counted(1, 1), "user@1.5.0": counted(1000, 500)})
    [said] = looks(scenario, check, look, status=Status(targets=targets("payment", "user")))
    assert (said.outcome, said.value) == ("Failed", "50.0 %")
    fine = Look({"payment@1.5.0": counted(1, 1), "user@1.5.0": counted(1000, 5)})
    [said] = looks(scenario, check, fine, status=Status(targets=targets("payment", "user")))
    assert (said.outcome, said.vouches) == ("Running", False), "nobody knows how payment is"


def measured(*values: float) -> list[Look]:
    return [Look(metrics={"it": Measurement(value, 5)}) for value in values]


def test_a_figure_has_to_be_within_its_bounds(scenario: MakeScenario) -> None:
    check = {"type": "Metric", "metric": "game.rtp.deviation", "kind": "gauge", "consecutiveFailures": 2}
    good, low, high = measured(0.5, -4.25, 4.125)
    said = looks(scenario, {**check, "min": "-4", "max": "4"}, good, low, good, high, Look(), low)
    assert outcomes(said) == ["Running", "Running", "Running", "Running", "NoData", "Failed"]
    assert (said[0].value, said[0].samples, said[0].failures) == ("0.5", 5, 0)
    assert said[0].detail == "it 0.5, has to be at least -4 and at most 4"
    assert said[-1].detail == "it -4.25, has to be at least -4 and at most 4: 2 of 2 looks in a row"
    assert said[4].detail == "it: no data"


def test_a_figure_that_is_bad_and_missing_in_turn_vouches_for_nobody(scenario: MakeScenario) -> None:
    check = {"type": "Metric", "metric": "x", "kind": "gauge", "min": "1", "consecutiveFailures": 5}
    bad = measured(0.5)[0]
    said = looks(scenario, check, bad, Look(), bad, Look())
    assert said[-1].outcome == "NoData"
    assert not said[-1].vouches


def test_a_figure_at_its_bound_is_well_and_shown_with_its_unit(scenario: MakeScenario) -> None:
    check = {"type": "Metric", "metric": "bets.volume", "kind": "counter", "unit": "cent", "min": "1000"}
    said = looks(scenario, {**check, "consecutiveFailures": 1}, *measured(1000.0, 999.6))
    assert outcomes(said) == ["Running", "Failed"]
    assert said[0].detail == "it 1000 cent, has to be at least 1000 cent"


def test_what_is_not_counted_from_spans_and_what_is_sampled_is_said(scenario: MakeScenario) -> None:
    traffic = {NEW: counted(50), OLD: counted(50)}
    [check] = looks(scenario, {"type": "ErrorRate"}, Look(traffic, source="errors and sessions"))
    assert check.detail.endswith("(counted from errors and sessions: there are no spans)")
    [check] = looks(scenario, {"type": "ErrorRate"}, Look(traffic, sampled={NEW: 0.1}))
    assert check.detail.endswith("(Sentry has 10 % of the requests)")


def test_a_promotion_without_judged_data_cannot_be_written_down() -> None:
    for status in (
        Status(),
        Status(checks=[CheckStatus(name="it")]),
        Status(checks=[CheckStatus(name="it", judged_until=BEGUN, missing="it has judged nothing lately")]),
        Status(checks=[CheckStatus(name="it", judged_until=BEGUN, outcome="NoData")]),
    ):
        with pytest.raises(ValueError, match="no promotion without"):
            status.promote()
