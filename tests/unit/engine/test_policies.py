"""What a run does when something is not as it should be: bad specs, a Sentry that is away, no traffic, other people."""

from __future__ import annotations

from typing import Any

import pytest
from reelback_operator.controller import Controller
from reelback_operator.engine import step as step_module
from reelback_operator.engine.model.observations import Observations
from reelback_operator.engine.model.resource import Phase, Scenario, Verdict
from reelback_operator.engine.questions import question
from reelback_operator.platforms.base import Change, PlatformError
from reelback_operator.sentry import SentryError

from tests.unit.engine.conftest import MakeScenario, MakeWorld
from tests.unit.engine.world import Api, Deployed, World

GONE = SentryError("Sentry limits the rate of requests, for 9 s more", 429)
ENDED = [f"candidate {release}" for release in ("payment@1.5.0",)] + ["removed payment"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"release.targets": [{"name": "paymnt"}]}, "spec.release.targets[0].name: no workload 'paymnt'"),
        ({"release.version": "1.4.0"}, "spec.release.version: payment already serves payment@1.4.0"),
    ],
)
async def test_a_spec_that_does_not_fit_changes_nothing(
    world: MakeWorld, scenario: MakeScenario, changes: dict[str, Any], message: str
) -> None:
    place = world()
    status = await place.play(scenario(changes))
    assert (status.phase, status.verdict, status.message) == (Phase.FAILED, Verdict.ERROR, message)
    assert (status.run_id, place.effects, place.deploys, place.rps) == (None, [], [], 0)
    mended = scenario({}).model_copy(update={"generation": 2, "status": status})
    assert (await place.play(mended)).verdict == Verdict.ROLLED_BACK


async def test_another_candidate_is_not_taken_over(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    place.candidates["payment"] = Deployed(Change("payment@2.0.0"), 1, 0.0)
    status = await place.play(scenario({}))
    assert status.message == "spec.release.targets[0].name: payment has a candidate already, payment@2.0.0"
    assert list(place.candidates) == ["payment"]


async def test_without_sentry_nothing_is_rolled_out(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world(refusal=GONE)
    status = await place.play(scenario({}))
    assert (status.phase, status.verdict) == (Phase.FAILED, Verdict.ERROR)
    assert status.message == f"nothing was rolled out: {GONE}"
    assert (place.effects, place.rps) == ([], 0)


async def test_sentry_going_away_takes_the_candidate_back(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world(events={40.0: lambda place: setattr(place, "refusal", GONE)})
    status = await place.play(scenario({"release.patch": {}}))
    assert (status.phase, status.verdict, place.effects) == (Phase.FAILED, Verdict.ERROR, ENDED)
    assert status.message == f"4 times in a row: {GONE}"
    assert place.rps == 0


async def test_a_failed_look_at_the_deadline_promotes_nothing(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world(events={34.0: lambda place: setattr(place, "refusal", GONE)})
    status = await place.play(scenario({"release.patch": {}, "analysis.deadline": "10s"}))
    assert (status.verdict, place.effects) == (Verdict.ERROR, ENDED)


@pytest.mark.parametrize(
    ("policy", "verdict", "last"),
    [
        ("Inconclusive", Verdict.INCONCLUSIVE, "removed payment"),
        ("Rollback", Verdict.ROLLED_BACK, "removed payment"),
    ],
)
async def test_too_little_traffic_is_not_health(
    world: MakeWorld, scenario: MakeScenario, policy: str, verdict: Verdict, last: str
) -> None:
    place = world()
    quiet = {"load": {"rps": 0.01}, "analysis.deadline": "10s", "analysis.onNoData": policy, "expect": None}
    status = await place.play(scenario({**quiet, "recovery": {"timeout": "10s"}}))
    assert (status.verdict, place.effects[-1]) == (verdict, last)
    assert place.stable["payment"].release == "payment@1.4.0"
    assert "errors has judged" in status.message


async def test_a_person_approves_the_rollback(world: MakeWorld, scenario: MakeScenario) -> None:
    def approve(place: World) -> None:
        assert place.scenario is not None
        assert place.scenario.status.message.endswith("waiting for the annotation reelback.dev/approve-rollback: 1")
        assert place.effects == ENDED[:1]
        place.scenario = place.scenario.model_copy(update={"annotations": {"reelback.dev/approve-rollback": "1"}})

    place = world(events={100.0: approve})
    status = await place.play(scenario({"rollback": {"mode": "Manual"}}))
    assert (status.phase, status.verdict, place.effects) == (Phase.SUCCEEDED, Verdict.ROLLED_BACK, ENDED)
    assert "waiting" not in status.message


async def test_a_dry_run_leaves_the_candidate(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    status = await place.play(scenario({"rollback": {"mode": "Never"}, "expect": {"verdict": "RolledBack"}}))
    assert (status.phase, status.verdict, status.expectation) == (Phase.SUCCEEDED, Verdict.ROLLED_BACK, "Met")
    assert status.message.endswith("; a dry run: it was not rolled back")
    assert (place.effects, place.rps) == (ENDED[:1], 0)
    assert status.times.rolled_back_at is None


async def test_a_rollout_that_does_not_become_ready_is_undone(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world(ready_after=1e9, problem="ImagePullBackOff")
    status = await place.play(scenario({}))
    assert (status.verdict, place.effects) == (Verdict.ROLLED_BACK, ENDED)
    assert status.message == "payment@1.5.0: ImagePullBackOff"
    times = status.times
    assert times.detected_at
    assert times.rolling_out_at
    assert (times.detected_at - times.rolling_out_at).total_seconds() < 10
    assert [event.event for event in status.timeline if event.event == "RolloutFailed"]


async def test_a_candidate_that_was_reset_is_brought_back(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world(events={40.0: lambda place: place.candidates.clear()})
    status = await place.play(scenario({"release.patch": {}, "expect": None}))
    assert status.verdict == Verdict.PROMOTED
    assert place.effects[:2] == ["candidate payment@1.5.0"] * 2


async def test_another_release_of_somebody_else_ends_the_run(world: MakeWorld, scenario: MakeScenario) -> None:
    stranger = Deployed(Change("payment@1.4.1"), 1, 0.0)
    place = world(events={40.0: lambda place: place.stable.update(payment=stranger)})
    status = await place.play(scenario({"release.patch": {}}))
    assert (status.phase, status.verdict) == (Phase.ABORTED, Verdict.INCONCLUSIVE)
    assert status.message == "payment was changed to payment@1.4.1 during the run"
    assert (place.effects, place.stable["payment"]) == (ENDED, stranger)
    assert [deploy["name"] for deploy in place.deploys] == ["rollout of payment@1.5.0"]


async def test_a_workload_deleted_during_the_run_ends_it(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world(events={40.0: lambda place: place.stable.clear()})
    status = await place.play(scenario({"release.patch": {}}))
    assert (status.phase, status.message) == (Phase.ABORTED, "payment was deleted during the run")


async def test_what_does_not_recover_is_said(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world(events={32.0: lambda place: setattr(place.stable["payment"], "incident_at", 32.0)})
    status = await place.play(scenario({"recovery": {"timeout": "20s"}, "expect": {"verdict": "RolledBack"}}))
    assert (status.phase, status.verdict, status.expectation) == (Phase.FAILED, Verdict.ROLLED_BACK, "NotMet")
    assert status.message.endswith("; recovered: no")
    assert status.durations.mttr_seconds is None


async def test_several_targets_go_out_and_back_together(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    place.stable["user"] = Deployed(Change("user@2.0.0"), 2, 0.0)
    faults = {"env": {"REELBACK_FAULTS": '{"payment.charge.error_rate": 0.25}'}}
    targets = {"release.targets": [{"name": "payment"}, {"name": "user"}], "release.patch": faults}
    status = await place.play(scenario(targets))
    assert (status.phase, status.verdict) == (Phase.SUCCEEDED, Verdict.ROLLED_BACK)
    assert place.effects == ["candidate payment@1.5.0", "candidate user@1.5.0", "removed payment", "removed user"]
    assert {deploy["release"] for deploy in place.deploys if "back" in deploy["name"]} == {
        "payment@1.4.0",
        "user@2.0.0",
    }


async def test_a_new_run_id_runs_again(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    first = await place.play(scenario({}))
    again = scenario({"runId": "2"}).model_copy(update={"status": first})
    status = await place.play(again)
    assert [(run.run_id, run.verdict) for run in status.history] == [("1", "RolledBack"), ("2", "RolledBack")]
    assert [deploy["name"].split()[0] for deploy in place.deploys] == ["rollout", "rollback"] * 2


async def test_a_platform_that_is_away_for_a_while_is_waited_for(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world(
        events={
            5.0: lambda place: setattr(place, "platform_refusal", PlatformError("connection refused")),
            25.0: lambda place: setattr(place, "platform_refusal", None),
        }
    )
    status = await place.play(scenario({}))
    assert (status.verdict, place.effects) == (Verdict.ROLLED_BACK, ENDED)


@pytest.mark.parametrize("strategy", ["Canary", "Replace"])
async def test_a_deleted_scenario_leaves_nothing(world: MakeWorld, scenario: MakeScenario, strategy: str) -> None:
    for moment in range(1, 32, 2):
        place = world()
        before = place.stable["payment"].change
        await place.play(scenario({"release.strategy": {"type": strategy}}), limit=moment)
        assert place.scenario is not None
        await Controller(place, Api(place)).abandon(place.scenario)
        assert (place.candidates, place.rps) == ({}, 0), moment
        assert place.stable["payment"].change == before, moment


async def test_a_step_taken_again_changes_nothing(
    world: MakeWorld, scenario: MakeScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, steps = step_module.step, 0

    def twice(spec: Any, status: Any, seen: Observations, now: Any) -> Any:
        nonlocal steps
        steps += 1
        first = step(spec, status, seen, now)
        assert first == step(spec, status, seen, now)
        again = step(spec, first[0], seen, now)
        assert again == first, steps
        return first

    monkeypatch.setattr(step_module, "step", twice)
    share = {"name": "share", "type": "ErrorRate", "method": "Threshold", "max": "0.1"}
    policies: list[dict[str, Any]] = [{"rollback": {"mode": mode}} for mode in ("Auto", "Manual", "Never")]
    policies += [{"release.patch": {}}, {"analysis.checks": [share]}]
    for changes in policies:
        await world().play(scenario(changes), limit=120)
    assert steps > 100


def test_a_complete_run_asks_nothing(scenario: MakeScenario) -> None:
    done: Scenario = scenario({})
    done.status.phase = Phase.SUCCEEDED
    assert question(done.spec, done.status, World().time()) is None
