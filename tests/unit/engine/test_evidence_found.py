"""Evidence that a scenario looks for: what is enough of it, and how a run ends by it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from reelback_operator.engine.judging.evidence import missing
from reelback_operator.engine.model.actions import SetLoad
from reelback_operator.engine.model.observations import Look, Observations, Question, Sighting
from reelback_operator.engine.model.resource import Phase, Scenario, SpecError, Status, Verdict
from reelback_operator.engine.questions import question
from reelback_operator.engine.step import record, step

START = datetime(2026, 1, 1, tzinfo=UTC)
SCENARIOS = Path(__file__).parents[3] / "scenarios"
TRACING = (SCENARIOS / "scenario-distributed-tracing.yaml").read_text()

SERVICES = ("gateway", "user", "game", "payment", "analytics", "notification")
SPIN = Sighting(seconds=1.2, services=SERVICES, what="a spin", url="http://sentry/trace/1")
DEPOSIT = Sighting(seconds=1.0, services=("gateway", "payment", "notification"), what="a deposit")


def watching(*evidence: Mapping[str, Any], deadline: str = "2m") -> Scenario:
    manifest = yaml.safe_load(TRACING)
    manifest["spec"] |= {
        "analysis": {"deadline": deadline, "evidence": list(evidence)},
        "expect": {"verdict": "Passed"},
    }
    del manifest["spec"]["load"]
    return Scenario.load(manifest)


def played(scenario: Scenario, seen: Mapping[float, Mapping[str, Sequence[Sighting]]]) -> tuple[Status, list[Question]]:
    """The end of a run in which Sentry shows this from these seconds on, and the questions that were asked."""
    status, now, asked_for = scenario.status, START, []
    while not status.complete:
        assert now < START + timedelta(minutes=10), status
        asked = question(scenario.spec, status, now)
        second = (now - START).total_seconds()
        shown = {name: each for at, found in seen.items() if at <= second for name, each in found.items()}
        look = (
            None
            if asked is None
            else Look(evidence={wanted.name: shown.get(wanted.name, ()) for wanted in asked.evidence})
        )
        asked_for += [asked] if asked else []
        status, actions = step(scenario.spec, status, Observations(workloads={}, look=look, asked=asked), now)
        status = record(status, actions, "", now)
        now += timedelta(seconds=1)
    return status, asked_for


SPIN_TRACE = {"name": "spin", "type": "Trace", "root": "POST /spin", "services": ["gateway", "game", "payment"]}
CRASH = {"name": "crash", "type": "Issue", "service": "game", "error": "Crash", "minEvents": 2, "maxGroups": 2}
SLOW = {"name": "slow", "type": "Span", "service": "user", "span": "GetProfile", "slowerThan": "500ms"}
REPEATED = {"name": "repeated", "type": "Span", "service": "analytics", "span": "find bets", "repeated": 5}
HOT = {"name": "hot", "type": "ProfileFunction", "service": "game", "function": "Rng.draw", "minShare": "0.3"}
SESSIONS = {"name": "sessions", "type": "Sessions", "service": "game", "crashed": 3}


@pytest.mark.parametrize(
    ("evidence", "sighting", "enough"),
    [
        (SPIN_TRACE, SPIN, True),
        (SPIN_TRACE, Sighting(seconds=1, services=("gateway", "payment", "game")), False),
        (SPIN_TRACE, Sighting(seconds=1, services=("gateway", "game")), False),
        (SPIN_TRACE, Sighting(seconds=1, services=SERVICES, orphans=1), False),
        (SPIN_TRACE, Sighting(seconds=31, services=SERVICES), False),
        (CRASH, Sighting(count=2, groups=2), True),
        (CRASH, Sighting(count=1, groups=1), False),
        (CRASH, Sighting(count=9, groups=3), False),
        (SLOW, Sighting(count=1, seconds=0.6), True),
        (SLOW, Sighting(count=1, seconds=0.5), False),
        (REPEATED, Sighting(count=5), True),
        (REPEATED, Sighting(count=4), False),
        (SESSIONS, Sighting(count=3), True),
        (SESSIONS, Sighting(count=2), False),
        (HOT, Sighting(seconds=20, share=0.3), True),
        (HOT, Sighting(seconds=20, share=0.29), False),
        (HOT, Sighting(seconds=4.9, share=1.0), False),
    ],
)
def test_what_is_enough(evidence: Mapping[str, Any], sighting: Sighting, enough: bool) -> None:
    status, _ = played(watching(evidence), {0: {str(evidence["name"]): [sighting]}})
    assert status.verdict == (Verdict.PASSED if enough else Verdict.FAILED)
    assert status.evidence[0].outcome == ("Found" if enough else "Missing")


@pytest.mark.parametrize(("playing", "wanted"), [(1, {"crash", "click"}), (0, {"crash"})])
def test_what_browsers_show_is_looked_for_only_where_there_are_some(playing: int, wanted: set[str]) -> None:
    scenario = watching(CRASH, {**SPIN_TRACE, "name": "click", "inBrowsers": True, "project": "web"})
    status = record(Status(), [SetLoad(5, 2, playing)], "", START)
    assert {evidence.name for evidence in missing(scenario.spec, status)} == wanted
    said = status.timeline[-1].detail
    assert said == ("5 requests/s, 1 browsers" if playing else "5 requests/s, no browser is there to play in")


def test_a_run_ends_when_all_is_found_and_says_what() -> None:
    scenario = watching(*yaml.safe_load(TRACING)["spec"]["analysis"]["evidence"])
    status, asked = played(scenario, {5: {"spin": [Sighting(), SPIN]}, 9: {"consumers": [DEPOSIT]}})
    assert (status.phase, status.verdict, status.expectation) == (Phase.SUCCEEDED, Verdict.PASSED, "Met")
    assert status.message == "spin: a spin; consumers: a deposit"
    assert status.sentry.trace_url == SPIN.url
    found = [(event.at - START).total_seconds() for event in status.timeline if event.event == "EvidenceFound"]
    assert found == [5, 9]
    assert [wanted.name for wanted in asked[-1].evidence] == ["consumers"], "what was found is not looked for again"


def test_what_is_not_found_in_its_time_ends_the_run() -> None:
    status, _ = played(watching({**CRASH, "within": "10s"}, SLOW), {0: {"slow": [Sighting(count=1, seconds=1)]}})
    assert (status.phase, status.verdict) == (Phase.FAILED, Verdict.FAILED)
    assert "crash: nothing seen, not within 10 s" in status.message
    assert (status.times.detected_at, status.times.recovered_at) == (None, None)


def test_evidence_that_was_found_stays_found() -> None:
    status, _ = played(watching(CRASH, SLOW), {3: {"crash": [Sighting(count=2, groups=1, what="2")]}})
    assert [(each.name, each.outcome) for each in status.evidence] == [("crash", "Found"), ("slow", "Missing")]


@pytest.mark.parametrize(
    ("evidence", "message"),
    [
        ({**CRASH, "error": None}, "spec.analysis.evidence[0]: needs error, transaction or tags"),
        ({**SLOW, "repeated": 4}, "spec.analysis.evidence[0]: needs slowerThan or repeated"),
        ({**SPIN_TRACE, "services": ["gateway"]}, "spec.analysis.evidence[0].services: List should have at least 2"),
        ({**CRASH, "tags": {'a"b': "c"}}, "must be the name of a tag like business.operation"),
        ({**SLOW, "within": "3m"}, "spec.analysis: evidence[0].within: must not be longer than the deadline"),
        ({**HOT, "function": None}, "spec.analysis.evidence[0].function: is missing"),
        ({**HOT, "minShare": "30"}, "spec.analysis.evidence[0].minShare: Input should be less than or equal to 1"),
        ({**HOT, "minShare": "nan"}, "spec.analysis.evidence[0].minShare: Input should be"),
        ({**SLOW, "type": "Profile"}, "spec.analysis.evidence[0]: Input tag 'Profile' found"),
    ],
)
def test_bad_evidence_is_refused_by_the_name_of_the_field(evidence: Mapping[str, Any], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        watching({key: value for key, value in evidence.items() if value is not None})
    assert message in str(caught.value)


def test_a_release_is_judged_by_checks() -> None:
    manifest = yaml.safe_load((SCENARIOS / "scenario-release-regression.yaml").read_text())
    manifest["spec"]["analysis"] = {"evidence": [CRASH]}
    with pytest.raises(SpecError, match=r"analysis\.evidence: goes with no release"):
        Scenario.load(manifest)
