"""Runs from beginning to end: what becomes of a release, and that a controller killed anywhere goes on from there."""

from __future__ import annotations

import random

import pytest
from reelback_operator.engine.model.resource import Phase, Verdict

from tests.unit.engine.conftest import MakeScenario, MakeWorld

GOOD = {"release.patch": {}, "analysis.deadline": "20s", "expect": {"verdict": "Promoted"}}
BAD = {"env": {"REELBACK_FAULTS": '{"payment.charge.error_rate": 0.25}'}}
ROLLOUT, ROLLBACK = "rollout of payment@1.5.0", "rollback from payment@1.5.0"


async def test_a_bad_release_is_rolled_back(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    status = await place.play(scenario({}))
    assert (status.phase, status.verdict, status.expectation) == (Phase.SUCCEEDED, Verdict.ROLLED_BACK, "Met")
    assert place.effects == ["candidate payment@1.5.0", "removed payment"]
    assert [(deploy["release"], deploy["name"]) for deploy in place.deploys] == [
        ("payment@1.5.0", ROLLOUT),
        ("payment@1.4.0", ROLLBACK),
    ]
    assert place.releases == ["payment@1.4.0", "payment@1.5.0"]
    assert place.rps == 0
    times = [getattr(status.times, name) for name in type(status.times).model_fields]
    assert times == sorted(times)
    durations = status.durations
    assert durations.time_to_detect_seconds is not None
    assert durations.time_to_detect_seconds < 15
    mttr = (times[-1] - status.times.first_error_at).total_seconds()
    assert durations.mttr_seconds == pytest.approx(mttr, abs=0.001)
    assert status.message.startswith("errors ")
    assert ">= 1000" in status.message
    assert {condition.type: condition.status for condition in status.conditions} == {
        "RolledOut": "False",
        "RegressionDetected": "True",
        "Recovered": "True",
        "Complete": "True",
    }
    assert status.sentry.issue_url
    assert status.sentry.trace_url
    assert [run.run_id for run in status.history] == ["1"]


async def test_a_good_release_is_promoted(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    status = await place.play(scenario(GOOD))
    assert (status.phase, status.verdict, status.expectation) == (Phase.SUCCEEDED, Verdict.PROMOTED, "Met")
    assert place.effects == ["candidate payment@1.5.0", "stable payment@1.5.0", "removed payment"]
    assert [deploy["name"] for deploy in place.deploys] == [ROLLOUT]
    assert {check.outcome for check in status.checks} == {"Passed"}
    assert place.rps == 0


async def test_replace_compares_with_what_was_before_and_restores_it(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    before = place.stable["payment"].change
    status = await place.play(
        scenario({"release.strategy": {"type": "Replace"}, "release.patch.image": "payment:1.5.0"})
    )
    assert (status.phase, status.verdict) == (Phase.SUCCEEDED, Verdict.ROLLED_BACK)
    assert place.effects == ["stable payment@1.5.0", "stable payment@1.4.0"]
    assert place.stable["payment"].change == before


async def test_an_incident_of_both_releases_is_not_the_candidates_fault(
    world: MakeWorld, scenario: MakeScenario
) -> None:
    place = world()
    place.stable["payment"].incident_at = 12.0
    status = await place.play(scenario({**GOOD, "release.patch": BAD}))
    assert (status.times.detected_at, place.effects[-1]) == (None, "removed payment")
    assert any(failed for _, release, failed in place.served if release == "payment@1.4.0")


async def test_sentry_is_told_the_commits_of_what_is_new(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    commit = {"id": "ab12", "message": "Round bets", "author": "Ada", "email": "ada@team.example", "files": ["bets.py"]}
    status = await place.play(scenario({"release.commits": [commit]}))
    assert status.verdict == Verdict.ROLLED_BACK
    told = {
        "id": "ab12",
        "message": "Round bets",
        "author_name": "Ada",
        "author_email": "ada@team.example",
        "patch_set": [{"path": "bets.py", "type": "M"}],
    }
    assert place.commits == {"payment@1.5.0": [told]}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("strategy", ["Canary", "Replace"])
async def test_killed_at_any_await_it_rolls_back_exactly_once(
    world: MakeWorld, scenario: MakeScenario, strategy: str
) -> None:
    bad = scenario({"release.strategy": {"type": strategy}, "recovery": {"healthyFor": "3s"}})
    untouched = world()
    assert (await untouched.play(bad)).verdict == Verdict.ROLLED_BACK
    assert untouched.awaits > 100
    for point in range(1, untouched.awaits + 1, 4):  # each of them takes a tenth of a second
        place = world(kill=point.__eq__)
        status = await place.play(bad)
        assert (status.phase, status.verdict) == (Phase.SUCCEEDED, Verdict.ROLLED_BACK), point
        assert place.effects == untouched.effects, point
        assert [deploy["name"] for deploy in place.deploys] == [ROLLOUT, ROLLBACK], point
        assert place.rps == 0, point
        assert len(status.history) == 1, point


async def test_killed_again_and_again_it_promotes_exactly_once(world: MakeWorld, scenario: MakeScenario) -> None:
    for seed in range(10):
        dice = random.Random(seed)
        place = world(kill=lambda _, dice=dice: dice.random() < 0.1)
        status = await place.play(scenario(GOOD))
        assert (status.phase, status.verdict) == (Phase.SUCCEEDED, Verdict.PROMOTED), seed
        assert place.effects == ["candidate payment@1.5.0", "stable payment@1.5.0", "removed payment"], seed
        assert [deploy["name"] for deploy in place.deploys] == [ROLLOUT], seed
