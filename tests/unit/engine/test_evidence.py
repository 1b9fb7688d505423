"""Runs in a world that is not ours: data that is late or missing, people who meddle, and worlds drawn at random."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
from reelback_operator.engine.model.resource import Phase, Status, Verdict
from reelback_operator.platforms.base import Change, PlatformError
from reelback_operator.sentry import SentryError

from tests.unit.engine.conftest import MakeScenario, MakeWorld
from tests.unit.engine.world import Deployed, World

GOOD: dict[str, Any] = {"release.patch": {}, "analysis.deadline": "30s", "expect": None}
ERRORS: dict[str, Any] = {"analysis.checks": [{"name": "errors", "type": "ErrorRate"}]}


async def test_a_baseline_that_goes_silent_leaves_no_verdict(world: MakeWorld, scenario: MakeScenario) -> None:
    def incident(place: World) -> None:
        place.stable["payment"].stops_at = place.now
        place.candidates["payment"].incident_at = place.now

    status = await world(events={45.0: incident}).play(scenario({**GOOD, **ERRORS, "analysis.deadline": "60s"}))
    assert status.verdict == Verdict.INCONCLUSIVE
    assert "nothing of payment@1.5.0 beside payment@1.4.0" in status.message


async def test_a_replacement_without_history_is_never_promoted(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    place.stable["payment"].stops_at = 0.0
    place.stable["payment"].ready_at = -1.0
    bad = {"env": {"REELBACK_FAULTS": '{"payment.charge.error_rate": 1}'}}
    status = await place.play(
        scenario({**GOOD, **ERRORS, "release.strategy": {"type": "Replace"}, "release.patch": bad})
    )
    assert status.verdict == Verdict.INCONCLUSIVE
    assert place.effects[-1] == "stable payment@1.4.0"


async def test_impossible_counts_end_without_a_verdict_on_the_release(world: MakeWorld, scenario: MakeScenario) -> None:
    def doubled(place: World, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "failure_count()": 2 * row["count()"]} for row in rows] if place.now > 40 else rows

    status = await world(distort=doubled).play(scenario({**GOOD, **ERRORS}))
    assert status.verdict == Verdict.ERROR
    assert "impossible" in status.message


@pytest.mark.parametrize("missing", [None, float("nan")])
async def test_a_figure_that_is_none_is_no_health(world: MakeWorld, scenario: MakeScenario, missing: Any) -> None:
    def lost(place: World, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{**row, "failure_count()": missing} for row in rows] if place.now > 40 else rows

    status = await world(distort=lost).play(scenario({**GOOD, **ERRORS}))
    assert status.verdict == Verdict.ERROR


async def test_a_candidate_that_crashes_after_a_while_is_rolled_back(world: MakeWorld, scenario: MakeScenario) -> None:
    def crash(place: World) -> None:
        place.candidates["payment"].problem_at = place.now
        place.problem = "pod payment-x: CrashLoopBackOff: payment ended with exit code 1: out of reels"

    place = world(events={45.0: crash})
    status = await place.play(scenario({**GOOD, "analysis.deadline": "3m"}))
    assert (status.phase, status.verdict) == (Phase.SUCCEEDED, Verdict.ROLLED_BACK)
    assert "out of reels" in status.message
    assert status.times.detected_at is not None
    assert (status.times.detected_at - place.time()).total_seconds() < 0
    assert [condition.reason for condition in status.conditions if condition.type == "RegressionDetected"] == [
        "RolloutFailed"
    ]


async def test_the_same_version_with_another_image_is_a_strangers(world: MakeWorld, scenario: MakeScenario) -> None:
    def meddle(place: World) -> None:
        place.stable["payment"] = Deployed(Change("payment@1.5.0", "payment:other", {"KEEP": "1"}), 1, 0.0)
        place.writer = "kubectl-edit"

    place = world(events={40.0: meddle})
    status = await place.play(scenario({**GOOD, "release.patch": {"image": "payment:1.5.0"}}))
    assert (status.phase, status.verdict) == (Phase.ABORTED, Verdict.INCONCLUSIVE)
    assert status.message == "payment was changed to payment@1.5.0 with another template during the run by kubectl-edit"
    assert place.stable["payment"].change.image == "payment:other", "what is somebody else's stays"
    assert place.candidates == {}


async def test_what_a_dry_run_left_is_not_judged_for_the_next_run(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    dry = {**GOOD, "release.patch": {"image": "payment:2"}, "rollback": {"mode": "Never"}}
    first = await place.play(scenario(dry))
    assert first.verdict == Verdict.PROMOTED
    place = world()
    place.candidates["payment"] = Deployed(
        Change("payment@1.5.0", "payment:2", {"KEEP": "1"}), 1, 0.0, owner="regression"
    )
    second = await place.play(scenario({**GOOD, "release.patch": {"image": "payment:3"}}))
    assert second.verdict == Verdict.PROMOTED
    assert place.effects == ["removed payment", "candidate payment@1.5.0", "stable payment@1.5.0", "removed payment"]
    assert place.stable["payment"].change.image == "payment:3"


async def test_a_second_run_waits_for_the_first_and_says_so(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world(holder="other", events={50.0: lambda place: setattr(place, "holder", "")})
    early = await place.play(scenario(GOOD), limit=40)
    assert (early.phase, early.message) == (Phase.PENDING, "waiting: payment takes part in a run of scenario other")
    assert place.effects == []
    assert (await place.play(scenario(GOOD))).verdict == Verdict.PROMOTED


async def test_a_slow_start_is_waited_for_as_long_as_the_deployment_allows(
    world: MakeWorld, scenario: MakeScenario
) -> None:
    assert (await world(ready_after=150.0, patience=630.0).play(scenario(GOOD))).verdict == Verdict.PROMOTED
    status = await world(ready_after=1e9, patience=300.0).play(scenario(GOOD), limit=900)
    assert status.verdict == Verdict.ROLLED_BACK
    assert "no progress for 30" in status.message


async def test_an_obstacle_is_named_at_once(world: MakeWorld, scenario: MakeScenario) -> None:
    status = await world(obstacle="is paused").play(scenario(GOOD))
    assert (status.phase, status.message) == (Phase.FAILED, "spec.release.targets[0].name: payment is paused")
    assert status.run_id is None


async def test_a_tool_that_sets_it_back_is_found_out(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world(writer="argocd")
    stable = place.stable["payment"]

    def reset(place: World) -> None:
        place.stable["payment"] = stable

    place.events = {float(at): reset for at in range(30, 300, 3)}
    status = await place.play(scenario({**GOOD, "release.strategy": {"type": "Replace"}}))
    assert status.phase == Phase.ABORTED
    assert status.message == "payment@1.5.0 was taken away 2 times during the run by argocd"
    assert place.effects.count("stable payment@1.5.0") <= 3


async def test_players_who_cannot_come_end_the_run_with_a_message(
    world: MakeWorld, scenario: MakeScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: World, rps: float, browsers: int = 0) -> int:
        raise PlatformError("no CronJob load in namespace shop to take the players from")

    monkeypatch.setattr(World, "set_load", refuse)
    status = await world().play(scenario(GOOD))
    assert (status.phase, status.verdict) == (Phase.FAILED, Verdict.ERROR)
    assert "no CronJob load" in status.message


async def test_an_approval_is_for_its_run_alone(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    manual = {"rollback": {"mode": "Manual"}, "runId": "2"}
    approved = scenario(manual).model_copy(update={"annotations": {"reelback.dev/approve-rollback": "1"}})
    status = await place.play(approved, limit=120)
    assert status.phase == Phase.ANALYZING
    assert status.message.endswith("waiting for the annotation reelback.dev/approve-rollback: 2")


async def test_waiting_for_a_person_does_not_end_by_itself(world: MakeWorld, scenario: MakeScenario) -> None:
    gone = SentryError("Sentry cannot be reached")
    place = world(events={80.0: lambda place: setattr(place, "refusal", gone)})
    status = await place.play(scenario({"rollback": {"mode": "Manual"}}), limit=300)
    assert (status.phase, status.verdict, place.candidates != {}) == (Phase.ANALYZING, None, True)


@pytest.mark.parametrize(
    "late",
    [{"payment@1.4.0": 15.0, "payment@1.5.0": 15.0}, {"payment@1.4.0": 60.0, "payment@1.5.0": 5.0}],
    ids=["both 15 s", "5 and 60 s"],
)
async def test_late_data_is_waited_for(world: MakeWorld, scenario: MakeScenario, late: dict[str, float]) -> None:
    status = await world(late=late).play(scenario({}))
    assert (status.phase, status.verdict) == (Phase.SUCCEEDED, Verdict.ROLLED_BACK)
    good = await world(late=late).play(scenario({**GOOD, "analysis.deadline": "60s"}))
    assert good.verdict == Verdict.PROMOTED


async def test_an_incident_that_is_known_of_one_release_first_is_not_its_fault(
    world: MakeWorld, scenario: MakeScenario
) -> None:
    def incident(place: World) -> None:
        for each in (place.stable["payment"], place.candidates["payment"]):
            each.incident_at = place.now

    for seed in range(5):
        place = world(
            rng=random.Random(seed), late={"payment@1.4.0": 40.0, "payment@1.5.0": 3.0}, events={75.0: incident}
        )
        status = await place.play(scenario({**GOOD, **ERRORS, "analysis.deadline": "100s"}))
        assert status.verdict != Verdict.ROLLED_BACK, (seed, status.message)


def outage_before(place: World) -> None:
    """A quarter of what the baseline served before the run failed; players came five times a second."""
    place.served += [(-each / 5, "payment@1.4.0", place.rng.random() < 0.25) for each in range(1, 2000)]


async def test_an_outage_before_the_rollout_excuses_no_candidate(world: MakeWorld, scenario: MakeScenario) -> None:
    place = world()
    outage_before(place)
    bad = {"release.patch": {"env": {"REELBACK_FAULTS": '{"payment.charge.error_rate": 0.3}'}}}
    status = await place.play(scenario({**GOOD, **ERRORS, **bad, "analysis.deadline": "60s"}))
    assert status.verdict == Verdict.ROLLED_BACK, status.message
    place = world()
    outage_before(place)
    good = await place.play(scenario({**GOOD, **ERRORS, "analysis.deadline": "60s"}))
    assert good.verdict == Verdict.PROMOTED, good.message


async def test_clocks_that_are_behind_hide_nothing(world: MakeWorld, scenario: MakeScenario) -> None:
    behind = {"payment@1.4.0": 40.0, "payment@1.5.0": 40.0}
    status = await world(behind=behind).play(scenario({}))
    assert (status.phase, status.verdict) == (Phase.SUCCEEDED, Verdict.ROLLED_BACK)
    assert "new issue 'Fault'" in status.message
    assert status.durations.time_to_detect_seconds is not None


async def test_the_first_seconds_of_a_candidate_can_be_left_out(world: MakeWorld, scenario: MakeScenario) -> None:
    def warm(place: World) -> None:
        if "payment" not in place.candidates:
            return
        candidate = place.candidates["payment"]
        place.candidates["payment"] = Deployed(
            Change(candidate.release, candidate.change.image, candidate.change.env), 1, candidate.ready_at,
            owner="regression",
        )  # fmt: skip
        place.candidates["payment"].incident_at = float("inf")

    def cold(place: World) -> None:
        place.candidates["payment"].incident_at = 0.0

    events = {28.0: cold, 36.0: warm}
    status = await world(events=dict(events)).play(scenario({**GOOD, **ERRORS, "analysis.warmUp": "12s"}))
    assert status.verdict == Verdict.PROMOTED
    assert (await world(events=dict(events)).play(scenario({**GOOD, **ERRORS}))).verdict == Verdict.ROLLED_BACK


CHECKS = [
    {"name": "errors", "type": "ErrorRate"},
    {"name": "share", "type": "ErrorRate", "method": "Threshold", "max": "0.2"},
    {"name": "latency", "type": "LatencyP95", "max": "500ms"},
    {"name": "newbug", "type": "NewIssue", "minEvents": 3},
]


def drawn(dice: random.Random, world: MakeWorld) -> tuple[World, dict[str, Any]]:
    """A world and a scenario with whatever may happen in them."""
    place = world(
        rng=random.Random(dice.random()),
        ready_after=dice.choice([0.5, 3.0, 20.0]),
        late={name: dice.choice([0.0, 0.0, 2.0, 20.0]) for name in ("payment@1.4.0", "payment@1.5.0")},
        behind={"payment@1.5.0": dice.choice([0.0, 0.0, 30.0])},
    )
    moment = dice.uniform(5, 90)

    def short(place: World, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if place.now < moment or dice.random() > 0.2:
            return rows
        return [{**row, "count()": row["count()"] // 2, "failure_count()": row["failure_count()"] // 3} for row in rows]

    def silent(place: World) -> None:
        place.stable["payment"].stops_at = place.now

    def stranger(place: World) -> None:
        place.stable["payment"] = Deployed(Change("payment@1.4.7"), 1, 0.0)

    def away(place: World) -> None:
        place.candidates.pop("payment", None)

    def crash(place: World) -> None:
        if "payment" in place.candidates:
            place.candidates["payment"].problem_at, place.problem = place.now, "it crashed"

    def outage(place: World) -> None:
        place.refusal = SentryError("Sentry cannot be reached")

    happening = dice.choice([None, None, None, short, silent, stranger, away, crash, outage])
    if happening is short:
        place.distort = short
    elif happening:
        place.events[moment] = happening  # type: ignore[assignment]
    if dice.random() < 0.2:
        outage_before(place)
    if dice.random() < 0.3:
        fate = random.Random(dice.random())
        place.kill = lambda _: fate.random() < 0.02
    rate = dice.choice([0.0, 0.0, 0.01, 0.1, 0.3, 1.0])
    env = {"env": {"REELBACK_FAULTS": f'{{"payment.charge.error_rate": {rate}}}'}}
    changes: dict[str, Any] = {
        "release.patch": env,
        "release.strategy": {"type": dice.choice(["Canary", "Canary", "Replace"])},
        "load": {"rps": dice.choice([1, 5, 20])},
        "analysis.deadline": dice.choice(["20s", "60s"]),
        "analysis.interval": dice.choice(["1s", "2s"]),
        "analysis.checks": dice.sample(CHECKS, dice.choice([1, 2, 3])),
        "recovery": {"timeout": "30s"},
        "expect": None,
    }
    return place, changes


def failed_more(status: Status) -> bool:
    """Whether what was judged says, far beyond chance, that the candidate failed more than 1.5 times its baseline.

    Of all failures, a candidate at the tolerated ratio has a certain share; more than that in one of a million runs.
    """
    judged = status.targets[0].judged["errors"]
    n, m = judged.candidate.requests - judged.known.requests, judged.baseline.requests
    bad, beside = judged.candidate.failures - judged.known.failures, judged.baseline.failures
    share, failures = 1.5 * n / (1.5 * n + m), bad + beside
    tail = sum(math.comb(failures, k) * share**k * (1 - share) ** (failures - k) for k in range(bad, failures + 1))
    return tail < 1e-6


@pytest.mark.timeout(400)
async def test_no_world_gets_a_bad_release_promoted(world: MakeWorld, scenario: MakeScenario) -> None:
    verdicts: dict[str, int] = {}
    for seed in range(100):
        place, changes = drawn(random.Random(seed), world)
        status = await place.play(scenario(changes), limit=900)
        assert status.complete, (seed, status)
        verdicts[str(status.verdict)] = verdicts.get(str(status.verdict), 0) + 1
        removed = [effect for effect in place.effects if effect in ("removed payment", "stable payment@1.4.0")]
        assert len(removed) <= 2, (seed, place.effects)
        if status.verdict == Verdict.PROMOTED:
            assert all(check.judged_until and not check.missing for check in status.checks), seed
            if any(check["name"] == "errors" for check in changes["analysis.checks"]):
                assert not failed_more(status), (seed, status.message)
    assert set(verdicts) >= {"Promoted", "RolledBack", "Inconclusive"}, verdicts
