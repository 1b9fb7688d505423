"""What becomes of a fault when something is not as it should be: it passes unnoticed, others meddle, Sentry is away."""

from __future__ import annotations

from typing import Any

import pytest
from reelback_operator.engine.model.resource import Phase, Verdict
from reelback_operator.platforms.base import Change, PlatformError
from reelback_operator.sentry import SentryError

from tests.unit.engine.conftest import MakeScenario, MakeWorld
from tests.unit.engine.test_faults import FAULT, OFF, ON, existing
from tests.unit.engine.world import Deployed, World

GONE = SentryError("Sentry limits the rate of requests, for 9 s more", 429)


async def test_a_fault_that_nobody_notices_is_a_failure(world: MakeWorld, outage: MakeScenario) -> None:
    place = world()
    status = await place.play(outage({"faults": [{**FAULT, "values": {"payment.charge.latency_ms": "5"}}]}))
    assert (status.phase, status.verdict, status.expectation) == (Phase.FAILED, Verdict.FAILED, "NotMet")
    assert status.message.startswith("no check noticed the faults: payments 1, has to be at least 0.9")
    assert (place.effects[-1], status.times.detected_at) == (OFF, None)


async def test_what_ails_before_the_fault_is_not_its_doing(world: MakeWorld, outage: MakeScenario) -> None:
    place = world()
    place.stable["payment"].incident_at = 0.0
    status = await place.play(outage({}))
    assert (status.phase, status.verdict, place.effects) == (Phase.FAILED, Verdict.FAILED, [])
    assert status.message.endswith("2 of 2 looks in a row")


async def test_what_does_not_get_well_again_is_a_failure(world: MakeWorld, outage: MakeScenario) -> None:
    def incident(place: World) -> None:
        place.stable["payment"].incident_at = place.now

    place = world(events={float(at): incident for at in range(30, 100)})
    status = await place.play(outage({"recovery": {"timeout": "30s"}}))
    assert (status.phase, status.verdict) == (Phase.FAILED, Verdict.FAILED)
    assert status.message.endswith("; recovered: no")
    assert (place.effects, status.durations.mttr_seconds) == ([ON, OFF], None)


async def test_without_data_no_fault_is_switched_on(world: MakeWorld, outage: MakeScenario) -> None:
    place = world(unmeasured=True)
    status = await place.play(outage({}))
    assert (status.phase, status.verdict, place.effects) == (Phase.FAILED, Verdict.INCONCLUSIVE, [])
    assert status.message == "not judged until the deadline: payments has judged nothing lately: no data"


async def test_sentry_going_away_takes_the_fault_back(world: MakeWorld, outage: MakeScenario) -> None:
    for moment in (20.0, 45.0):
        place = world(events={moment: lambda place: setattr(place, "refusal", GONE)})
        status = await place.play(outage({}))
        assert (status.phase, status.verdict, place.effects) == (Phase.FAILED, Verdict.ERROR, [ON, OFF]), moment
        assert status.message == f"4 times in a row: {GONE}"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Change("payment@1.4.1"), "payment was changed to payment@1.4.1 during the run"),
        (Change("payment@1.4.0", env={"REELBACK_FAULTS": "{}"}), "payment was given another REELBACK_FAULTS during"),
    ],
)
async def test_what_somebody_else_did_meanwhile_is_left_alone(
    world: MakeWorld, outage: MakeScenario, change: Change, message: str
) -> None:
    stranger = Deployed(change, 1, 0.0)
    place = world(events={25.0: lambda place: place.stable.update(payment=stranger)})
    status = await place.play(outage({}))
    assert (status.phase, status.verdict) == (Phase.ABORTED, Verdict.INCONCLUSIVE)
    assert status.message.startswith(message)
    assert (place.effects, place.stable["payment"]) == ([ON], stranger)


async def test_a_fault_left_in_somebody_elses_release_is_taken_out_of_it(
    world: MakeWorld, outage: MakeScenario
) -> None:
    """As `helm upgrade` does: it changes the release and keeps a variable that only the patch knows."""

    def upgrade(place: World) -> None:
        place.stable["payment"].change = Change("payment@1.4.1", env=dict(place.stable["payment"].change.env))

    place = world(events={25.0: upgrade})
    status = await place.play(outage({}))
    assert (status.phase, place.effects) == (Phase.ABORTED, [ON, OFF])
    assert place.stable["payment"].change == Change("payment@1.4.1", env={"KEEP": "1"})


async def test_a_fault_that_was_reset_is_brought_back(world: MakeWorld, outage: MakeScenario) -> None:
    place = world(events={22.0: lambda place: existing(place, None)})
    status = await place.play(outage({}))
    assert (status.verdict, place.effects) == (Verdict.RECOVERED, [ON, ON, OFF])


async def test_a_fault_that_cannot_be_brought_in_is_taken_back(world: MakeWorld, outage: MakeScenario) -> None:
    place = world(ready_after=1e9, problem="CrashLoopBackOff")
    status = await place.play(outage({"analysis.deadline": "10m"}), limit=900)
    assert (status.phase, status.verdict, place.effects) == (Phase.FAILED, Verdict.ERROR, [ON, OFF])
    assert status.message.startswith(
        "payment not ready, and no progress for 121 s: payment: CrashLoopBackOff; not rolled back"
    )


async def test_a_platform_that_is_away_for_a_while_is_waited_for(world: MakeWorld, outage: MakeScenario) -> None:
    place = world(
        events={
            30.0: lambda place: setattr(place, "platform_refusal", PlatformError("connection refused")),
            70.0: lambda place: setattr(place, "platform_refusal", None),
        }
    )
    status = await place.play(outage({}))
    assert (status.verdict, place.effects) == (Verdict.RECOVERED, [ON, OFF])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "spec.faults[0].target: payment has a REELBACK_FAULTS that is not a JSON object"),
        ("[]", "spec.faults[0].target: payment has a REELBACK_FAULTS that is not a JSON object"),
    ],
)
async def test_a_target_that_does_not_fit_changes_nothing(
    world: MakeWorld, outage: MakeScenario, value: str, message: str
) -> None:
    place = world()
    existing(place, value)
    status = await place.play(outage({}))
    assert (status.phase, status.verdict, status.message) == (Phase.FAILED, Verdict.ERROR, message)
    assert (status.run_id, place.effects, place.rps) == (None, [], 0)
    status = await place.play(outage({"faults": [{**FAULT, "target": "paymnt"}]}))
    assert status.message == "spec.faults[0].target: no workload 'paymnt'"


async def test_faults_beside_a_release_come_and_go_too(world: MakeWorld, scenario: MakeScenario) -> None:
    bad: dict[str, Any] = {"faults": [{**FAULT, "target": "user", "after": "1s", "duration": "5s"}], "expect": None}
    good = {**bad, "release.patch": {}}
    for changes, verdict in (
        ({**good, "analysis.deadline": "20s"}, Verdict.PROMOTED),
        ({**good, "analysis.deadline": "12s"}, Verdict.PROMOTED),
        (bad, Verdict.ROLLED_BACK),
        ({**bad, "rollback": {"mode": "Never"}}, Verdict.ROLLED_BACK),
    ):
        place = world()
        before = Change("user@1.4.0", env={"REELBACK_FAULTS": "{}"})
        place.stable["user"] = Deployed(before, 1, 0.0)
        status = await place.play(scenario(changes))
        assert (status.phase, status.verdict) == (Phase.SUCCEEDED, verdict), changes
        assert place.stable["user"].change == before
        assert [effect for effect in place.effects if "faults" in effect] == [ON, "faults {}"], changes


async def test_a_metric_is_a_regression_like_others(world: MakeWorld, scenario: MakeScenario) -> None:
    metric = {"name": "payments", "type": "Metric", "metric": "payment.success_rate", "kind": "gauge", "min": "0.95"}
    status = await world().play(scenario({"analysis.checks": [metric]}))
    assert (status.phase, status.verdict, status.expectation) == (Phase.SUCCEEDED, Verdict.ROLLED_BACK, "Met")
    good: dict[str, Any] = {"analysis.checks": [metric], "release.patch": {}, "expect": None}
    assert (await world().play(scenario(good))).verdict == Verdict.PROMOTED
    blind = await world(unmeasured=True).play(scenario(good))
    assert (blind.verdict, blind.phase) == (Verdict.INCONCLUSIVE, Phase.FAILED)
