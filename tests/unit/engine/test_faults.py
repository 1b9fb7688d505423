"""Faults in what already runs: they come, are noticed, and are taken back exactly once, whatever happens meanwhile."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from typing import Any

import pytest
from reelback_operator.controller import Controller
from reelback_operator.engine import step as step_module
from reelback_operator.engine.model.observations import Observations
from reelback_operator.engine.model.resource import Phase, Verdict
from reelback_operator.engine.phases import faults
from reelback_operator.platforms.base import Change

from tests.unit.engine.conftest import MakeScenario, MakeWorld
from tests.unit.engine.world import Api, Deployed, World

ON, OFF = 'faults {"payment.charge.error_rate": 1}', "faults None"
FAULT = {"target": "payment", "values": {"payment.charge.error_rate": "1"}, "after": "10s", "duration": "20s"}


def existing(place: World, value: str | None) -> Change:
    """Give payment this value of the variable, as its owner would; what it has then."""
    env = {"KEEP": "1", "REELBACK_FAULTS": value} if value is not None else {"KEEP": "1"}
    place.stable["payment"] = Deployed(Change("payment@1.4.0", "payment:1.4.0", env), 1, 0.0)
    return place.stable["payment"].change


async def test_an_outage_is_noticed_and_ends(world: MakeWorld, outage: MakeScenario) -> None:
    place = world()
    before = place.stable["payment"].change
    status = await place.play(outage({}))
    assert (status.phase, status.verdict, status.expectation) == (Phase.SUCCEEDED, Verdict.RECOVERED, "Met")
    assert (place.effects, place.stable["payment"].change, place.rps) == ([ON, OFF], before, 0)
    assert (place.releases, place.deploys) == ([], []), "it is the same release all the time"
    assert [event.event for event in status.timeline] == [
        "Applied",
        "LoadStarted",
        "Watching",
        "FaultAsked",
        "FaultServing",
        "RegressionDetected",
        "FaultGone",
        "Recovering",
        "Recovered",
        "LoadEnded",
        "Complete",
    ]
    [fault] = status.faults
    times = status.times
    began = next(event.at for event in status.timeline if event.event == "Watching")
    assert fault.asked_at
    assert fault.serving_at
    assert fault.gone_at
    assert timedelta(seconds=10) <= fault.asked_at - began < timedelta(seconds=20)
    assert timedelta(seconds=20) <= fault.gone_at - fault.serving_at <= timedelta(seconds=23)
    assert times.first_error_at
    assert times.detected_at
    assert times.recovered_at
    assert fault.asked_at <= times.first_error_at < times.detected_at < times.recovered_at
    assert times.recovered_at - fault.gone_at >= timedelta(seconds=10)
    mttr = (times.recovered_at - times.first_error_at).total_seconds()
    assert status.durations.mttr_seconds == pytest.approx(mttr, abs=0.001)
    assert (times.serving_at, times.rolled_back_at, status.durations.rollback_seconds) == (None, None, None)
    assert status.sentry.trace_url
    assert status.message.startswith("payments 0.")
    assert status.message.endswith("has to be at least 0.9: 2 of 2 looks in a row")
    assert [check.outcome for check in status.checks] == ["Passed"]
    assert {condition.type: condition.status for condition in status.conditions} == {
        "RolledOut": "False",
        "RegressionDetected": "True",
        "Recovered": "True",
        "Complete": "True",
    }


@pytest.mark.parametrize(
    ("value", "during"),
    [
        ("", {"payment.charge.error_rate": 1}),
        ('{"payment.charge.latency_ms":5}', {"payment.charge.latency_ms": 5, "payment.charge.error_rate": 1}),
        ('{ "payment.charge.error_rate":  0.01 }', {"payment.charge.error_rate": 1}),
    ],
)
async def test_faults_that_were_there_are_joined_and_come_back_letter_by_letter(
    world: MakeWorld, outage: MakeScenario, value: str, during: dict[str, float]
) -> None:
    place = world()
    before = existing(place, value)
    status = await place.play(outage({}))
    assert status.verdict == Verdict.RECOVERED
    on, off = [effect.removeprefix("faults ") for effect in place.effects]
    assert (json.loads(on), off) == (during, value)
    assert place.stable["payment"].change == before


async def test_killed_at_any_await_it_takes_the_fault_back_exactly_once(world: MakeWorld, outage: MakeScenario) -> None:
    quick = [{**FAULT, "after": "3s", "duration": "9s"}]
    short = outage({"faults": quick, "load": {"rps": 5}, "recovery": {"healthyFor": "2s"}})
    untouched = world()
    before = existing(untouched, '{"payment.charge.latency_ms":5}')
    wanted = await untouched.play(short)
    assert (wanted.verdict, untouched.awaits > 100) == (Verdict.RECOVERED, True)
    for point in range(1, untouched.awaits + 1):
        place = world(kill=point.__eq__)
        existing(place, '{"payment.charge.latency_ms":5}')
        status = await place.play(short)
        assert (status.phase, status.verdict) == (wanted.phase, wanted.verdict), point
        assert place.effects == untouched.effects, point
        assert place.stable["payment"].change == before, point
        assert [event.event for event in status.timeline] == [event.event for event in wanted.timeline], point
        assert (place.rps, len(status.history)) == (0, 1), point


async def test_killed_again_and_again_it_ends_the_same(world: MakeWorld, outage: MakeScenario) -> None:
    for seed in range(10):
        dice = random.Random(seed)
        place = world(kill=lambda _, dice=dice: dice.random() < 0.1)
        status = await place.play(outage({}))
        assert (status.verdict, place.effects, place.rps) == (Verdict.RECOVERED, [ON, OFF], 0), seed


async def test_a_deleted_scenario_leaves_no_fault(world: MakeWorld, outage: MakeScenario) -> None:
    for moment in range(1, 50):
        place = world()
        before = existing(place, '{"payment.charge.latency_ms":5}')
        await place.play(outage({}), limit=moment)
        assert place.scenario is not None
        for _ in range(2):
            await Controller(place, Api(place)).abandon(place.scenario)
        assert (place.stable["payment"].change, place.rps) == (before, 0), moment
        assert len(place.effects) in (0, 2), moment


async def test_a_step_taken_again_changes_nothing(
    world: MakeWorld, outage: MakeScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, steps = step_module.step, 0

    def twice(spec: Any, status: Any, seen: Observations, now: Any) -> Any:
        nonlocal steps
        steps += 1
        first = step(spec, status, seen, now)
        assert step(spec, first[0], seen, now) == first, steps
        return first

    monkeypatch.setattr(step_module, "step", twice)
    watched: dict[str, Any] = {"faults": [], "expect": None, "analysis.deadline": "20s"}
    for changes in ({}, {"analysis.deadline": "31s"}, watched):
        await world().play(outage(changes), limit=120)
    await world(unmeasured=True).play(outage(watched), limit=120)
    assert steps > 100


async def test_no_fault_is_late_by_a_whole_interval(world: MakeWorld, outage: MakeScenario) -> None:
    place = world()
    slow = outage({"analysis.interval": "30s"})
    pauses = []
    for moment in range(1, 45):
        status = await place.play(slow, limit=moment)
        pauses.append(faults.pause(slow.spec, status, place.time()))
        slow = slow.model_copy(update={"status": status})
    assert max(pause for pause in pauses if pause < 1e9) <= 20
    assert min(pauses) == 1.0
