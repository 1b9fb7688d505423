"""The API server itself refuses a bad scenario, naming the field, and takes the good ones."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.apiserver.server import NAMESPACE, ROOT, Cluster

COMMIT = {"id": "ab12", "message": "Round bets", "author": "Ada", "email": "ada@team.example", "files": ["bets.py"]}
GOOD: dict[str, Any] = {
    "apiVersion": "reelback.dev/v1alpha1",
    "kind": "SentryScenario",
    "metadata": {"name": "trial", "namespace": NAMESPACE},
    "spec": {
        "release": {
            "version": "1.5.0",
            "targets": [{"name": "payment"}],
            "patch": {"env": {"REELBACK_FAULTS": "{}"}},
            "commits": [COMMIT],
            "strategy": {"type": "Canary", "replicas": 1},
        },
        "load": {"rps": 20},
        "analysis": {
            "interval": "2s",
            "warmUp": "10s",
            "deadline": "3m",
            "checks": [
                {"name": "errors", "type": "ErrorRate", "method": "Sequential", "alpha": "0.001", "minRatio": "1.5"},
                {"name": "share", "type": "ErrorRate", "method": "Threshold", "max": "0.05"},
                {"name": "newbug", "type": "NewIssue", "minEvents": 3},
                {"name": "latency", "type": "LatencyP95", "max": "500ms", "consecutiveFailures": 3},
                {"name": "slow", "type": "SlowRate", "slowerThan": "500ms"},
                {"name": "sessions", "type": "CrashFreeSessions", "alpha": "0.01"},
            ],
        },
        "expect": {"verdict": "RolledBack", "maxTimeToDetect": "60s", "maxMTTR": "2m"},
    },
}


TWO_PLACES = [{"name": "payment", "releaseFrom": {"imageTag": True, "variable": "APP"}}]
FAULT = {"target": "payment", "values": {"payment.charge.error_rate": "1"}, "after": "10s", "duration": "20s"}
METRIC = {
    "name": "payments",
    "type": "Metric",
    "metric": "payment.success_rate",
    "kind": "gauge",
    "unit": "ratio",
    "aggregate": "avg",
    "window": "10s",
    "min": "0.9",
    "consecutiveFailures": 2,
}
OUTAGE: dict[str, Any] = {
    **GOOD,
    "spec": {
        "faults": [FAULT],
        "load": {"rps": 20},
        "analysis": {"interval": "2s", "deadline": "2m", "checks": [METRIC]},
        "expect": {"verdict": "Recovered", "maxTimeToDetect": "30s"},
    },
}


ISSUE = {"name": "errors", "type": "Issue", "service": "payment", "error": "Crash", "minEvents": 2, "maxGroups": 1}
SPAN = {"type": "Span", "error": None, "minEvents": None, "maxGroups": None, "span": "Spin", "slowerThan": "1s"}
FUNCTION = {
    **{"type": "ProfileFunction", "error": None, "minEvents": None, "maxGroups": None},
    **{"function": "Rng.draw", "minShare": "0.3"},
}
OBSERVED: dict[str, Any] = {
    **GOOD,
    "spec": {
        "analysis": {
            "deadline": "2m",
            "evidence": [
                ISSUE,
                {"name": "slow", "service": "game", **{key: value for key, value in SPAN.items() if value}},
                {"name": "spin", "type": "Trace", "root": "POST /spin", "services": ["gateway", "game"]},
                {"name": "hot", "service": "game", **{key: value for key, value in FUNCTION.items() if value}},
                {"name": "crashes", "type": "Sessions", "service": "game", "crashed": 1},
            ],
        },
        "expect": {"verdict": "Passed"},
    },
}


def scenario(*path: str | int, value: Any = None, of: dict[str, Any] = GOOD) -> dict[str, Any]:
    """A scenario with another value at a path; None leaves the field out."""
    document = copy.deepcopy(of)
    if path:
        place: Any = document
        for step in path[:-1]:
            place = place[step]
        if value is None:
            del place[path[-1]]
        else:
            place[path[-1]] = value
    return document


def check(**fields: object) -> list[dict[str, object]]:
    """One check."""
    return [{"name": "errors", **fields}]


CHECKS = ("spec", "analysis", "checks")
RELEASE = ("spec", "release")
REFUSED: list[tuple[str, tuple[str, ...], object, str]] = [
    # what is wrong, where, the value, what the message names
    ("an unknown field", ("spec", "relaese"), {"version": "1.5.0"}, 'unknown field "spec.relaese"'),
    (
        "an unknown field deep down",
        (*RELEASE, "strategy"),
        {"kind": "Canary"},
        'unknown field "spec.release.strategy.kind"',
    ),
    ("no spec", ("spec",), None, "spec: Required"),
    ("no release to compare", RELEASE, None, "spec.analysis.checks: Invalid"),
    ("no version", (*RELEASE, "version"), None, "spec.release.version: Required"),
    ("no targets", (*RELEASE, "targets"), None, "spec.release.targets: Required"),
    ("an empty list of targets", (*RELEASE, "targets"), [], "spec.release.targets"),
    ("a target without a name", (*RELEASE, "targets"), [{}], "spec.release.targets[0].name: Required"),
    ("a target twice", (*RELEASE, "targets"), [{"name": "a"}, {"name": "a"}], "spec.release.targets[1]: Duplicate"),
    ("a target that is no name", (*RELEASE, "targets"), [{"name": "Pay/ment"}], "spec.release.targets[0].name"),
    ("a version that is none", (*RELEASE, "version"), "latest", "spec.release.version"),
    ("a version with a leading v", (*RELEASE, "version"), "v1.5.0", "spec.release.version"),
    ("the release as a variable", (*RELEASE, "patch"), {"env": {"SENTRY_RELEASE": "x"}}, "spec.release.patch.env"),
    ("a reference", (*RELEASE, "patch"), {"env": {"A": "http://evil/$(WEBHOOK_SECRET)"}}, "spec.release.patch.env"),
    ("a variable that is no name", (*RELEASE, "patch"), {"env": {"1 A": "x"}}, "spec.release.patch.env"),
    ("a number as a variable", (*RELEASE, "patch"), {"env": {"A": 1}}, "spec.release.patch.env.A"),
    ("a commit of nobody", (*RELEASE, "commits"), [{**COMMIT, "author": ""}], "spec.release.commits[0].author"),
    ("an unknown strategy", (*RELEASE, "strategy"), {"type": "Rainbow"}, "spec.release.strategy.type"),
    ("no replicas", (*RELEASE, "strategy"), {"replicas": 0}, "spec.release.strategy.replicas"),
    ("a negative interval", ("spec", "analysis", "interval"), "-2s", "spec.analysis.interval"),
    ("an interval of nothing", ("spec", "analysis", "interval"), "0s", "spec.analysis.interval"),
    ("an interval without a unit", ("spec", "analysis", "interval"), "2", "spec.analysis.interval"),
    ("an interval over the deadline", ("spec", "analysis", "interval"), "4m", "spec.analysis.interval"),
    ("no checks", CHECKS, None, "spec.analysis.checks: Invalid"),
    ("an empty list of checks", CHECKS, [], "spec.analysis.checks"),
    ("a check twice", CHECKS, check(type="NewIssue") * 2, "spec.analysis.checks[1]: Duplicate"),
    ("a warm-up up to the deadline", ("spec", "analysis", "warmUp"), "3m", "spec.analysis.warmUp"),
    ("no data is fine", ("spec", "analysis", "onNoData"), "Ignore", "spec.analysis.onNoData"),
    ("two places of a release", (*RELEASE, "targets"), TWO_PLACES, "spec.release.targets[0].releaseFrom"),
    ("slow without a limit", CHECKS, check(type="SlowRate"), "spec.analysis.checks[0].slowerThan"),
    ("sessions with a limit", CHECKS, check(type="CrashFreeSessions", max="1"), "spec.analysis.checks[0].type"),
    ("latency with alpha", CHECKS, check(type="LatencyP95", max="1s", alpha="0.01"), "spec.analysis.checks[0].alpha"),
    ("an unknown check", CHECKS, check(type="Vibes"), "spec.analysis.checks[0].type"),
    ("alpha of one", CHECKS, check(type="ErrorRate", alpha="1.0"), "spec.analysis.checks[0].alpha"),
    ("alpha of nothing", CHECKS, check(type="ErrorRate", alpha="0.0"), "spec.analysis.checks[0].alpha"),
    ("a ratio below one", CHECKS, check(type="ErrorRate", minRatio="0.5"), "spec.analysis.checks[0].minRatio"),
    ("a share above one", CHECKS, check(type="ErrorRate", method="Threshold", max="5"), "spec.analysis.checks[0].max"),
    ("a threshold without max", CHECKS, check(type="ErrorRate", method="Threshold"), "spec.analysis.checks[0].max"),
    ("max without a threshold", CHECKS, check(type="ErrorRate", max="0.1"), "spec.analysis.checks[0].max"),
    ("latency without max", CHECKS, check(type="LatencyP95"), "spec.analysis.checks[0].max"),
    ("latency as a number", CHECKS, check(type="LatencyP95", max="500"), "spec.analysis.checks[0].max"),
    ("latency, tested", CHECKS, check(type="LatencyP95", max="1s", method="Sequential"), "checks[0].method"),
    ("an issue with max", CHECKS, check(type="NewIssue", max="3"), "spec.analysis.checks[0].type"),
    ("an error rate with minEvents", CHECKS, check(type="ErrorRate", minEvents=3), "checks[0].minEvents"),
    ("load of nothing", ("spec", "load", "rps"), 0, "spec.load.rps"),
    ("a fault where the release is", ("spec", "faults"), [FAULT], "spec.faults: Invalid value"),
    ("a verdict of no release", ("spec", "expect", "verdict"), "Passed", "spec.expect.verdict"),
    ("a metric's field elsewhere", CHECKS, check(type="NewIssue", window="5s"), "spec.analysis.checks[0].type"),
    ("an unknown verdict", ("spec", "expect", "verdict"), "Fine", "spec.expect.verdict"),
    ("a name that is no label", ("metadata", "name"), "x" * 64, "metadata.name"),
]


FAULTS = ("spec", "faults")
OUTAGE_REFUSED: list[tuple[str, tuple[str, ...], object, str]] = [
    ("a verdict of a release", ("spec", "expect", "verdict"), "RolledBack", "spec.expect.verdict"),
    ("a rollback of nothing", ("spec", "rollback"), {"mode": "Auto"}, "spec.rollback"),
    ("a check of a release", CHECKS, check(type="NewIssue"), "spec.analysis.checks: Invalid"),
    ("a target twice", FAULTS, [FAULT, FAULT], "spec.faults[1]: Duplicate"),
    ("no target", FAULTS, [{**FAULT, "target": None}], "spec.faults[0].target"),
    ("a target that is no name", FAULTS, [{**FAULT, "target": "Pay/ment"}], "spec.faults[0].target"),
    ("no faults in it", FAULTS, [{**FAULT, "values": {}}], "spec.faults[0].values"),
    ("a fault that is no number", FAULTS, [{**FAULT, "values": {"a.b": "on"}}], "spec.faults[0].values.a.b"),
    ("a fault that is no key", FAULTS, [{**FAULT, "values": {"a b": "1"}}], "spec.faults[0].values"),
    ("a fault that lasts for ever", FAULTS, [{**FAULT, "duration": "5m"}], "spec.faults: Invalid"),
    ("a fault before the start", FAULTS, [{**FAULT, "after": "-1s"}], "spec.faults[0].after"),
    ("a metric without a name", CHECKS, [{**METRIC, "metric": None}], "spec.analysis.checks[0]"),
    ("a metric that is none", CHECKS, [{**METRIC, "metric": "a,b"}], "spec.analysis.checks[0].metric"),
    ("a metric without bounds", CHECKS, [{**METRIC, "min": None}], "spec.analysis.checks[0]"),
    ("a metric of no kind", CHECKS, [{**METRIC, "kind": "set"}], "spec.analysis.checks[0].kind"),
    ("a metric, tested", CHECKS, [{**METRIC, "method": "Threshold"}], "spec.analysis.checks[0].type"),
    ("a metric at most a time", CHECKS, [{**METRIC, "max": "500ms"}], "spec.analysis.checks[0].max"),
    ("bounds the wrong way round", CHECKS, [{**METRIC, "max": "0.5"}], "spec.analysis.checks[0].max"),
    ("an unknown aggregate", CHECKS, [{**METRIC, "aggregate": "last"}], "spec.analysis.checks[0].aggregate"),
]


@pytest.mark.parametrize(
    ("path", "value", "named"), [row[1:] for row in OUTAGE_REFUSED], ids=[row[0] for row in OUTAGE_REFUSED]
)
def test_bad_faults_and_metrics_are_refused_by_the_name_of_their_field(
    cluster: Cluster, path: tuple[str, ...], value: object, named: str
) -> None:
    bad = scenario(*path, value=value, of=OUTAGE)
    done = cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=bad)
    assert done.returncode != 0, done.stdout
    assert named in done.stderr


EVIDENCE_REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("an issue that may be any", {"error": None}, "spec.analysis.evidence[0].error"),
    ("an issue without a service", {"service": None}, "spec.analysis.evidence[0].service"),
    ("a tag that is no name", {"tags": {"a b": "c"}}, "spec.analysis.evidence[0].tags"),
    ("an issue that is slow", {"slowerThan": "1s"}, "spec.analysis.evidence[0].span"),
    ("a trace of an issue", {"root": "POST /spin"}, "spec.analysis.evidence[0].root"),
    ("a trace that begins nowhere", {"type": "Trace", "error": None}, "spec.analysis.evidence[0].root"),
    ("a span both slow and repeated", {**SPAN, "repeated": 5}, "spec.analysis.evidence[0].span"),
    ("a span that is neither", {**SPAN, "slowerThan": None}, "spec.analysis.evidence[0].span"),
    ("a function without a share", {**FUNCTION, "minShare": None}, "spec.analysis.evidence[0].function"),
    ("a function of an issue", {"function": "draw"}, "spec.analysis.evidence[0].function"),
    ("a share above all", {**FUNCTION, "minShare": "1.5"}, "spec.analysis.evidence[0].minShare"),
    ("a share that is none", {**FUNCTION, "minShare": "much"}, "spec.analysis.evidence[0].minShare"),
    ("an unknown type", {"type": "Profile"}, "spec.analysis.evidence[0].type"),
    ("later than the deadline", {"within": "10m"}, "spec.analysis.evidence: Invalid"),
]


@pytest.mark.parametrize(
    ("change", "named"), [row[1:] for row in EVIDENCE_REFUSED], ids=[row[0] for row in EVIDENCE_REFUSED]
)
def test_bad_evidence_is_refused_by_the_name_of_its_field(cluster: Cluster, change: dict[str, Any], named: str) -> None:
    evidence = {key: value for key, value in {**ISSUE, **change}.items() if value is not None}
    bad = scenario("spec", "analysis", value={"evidence": [evidence]}, of=OBSERVED)
    done = cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=bad)
    assert done.returncode != 0, done.stdout
    assert named in done.stderr


@pytest.mark.parametrize(
    ("analysis", "named"),
    [
        ({"evidence": [ISSUE], "checks": [METRIC]}, "spec.analysis.checks: Invalid"),
        ({"evidence": []}, "spec.analysis.evidence"),
    ],
    ids=["both", "neither"],
)
def test_a_scenario_has_checks_or_evidence(cluster: Cluster, analysis: dict[str, Any], named: str) -> None:
    done = cluster.kubectl(
        "apply", "--dry-run=server", "-f", "-", stdin=scenario("spec", "analysis", value=analysis, of=OBSERVED)
    )
    assert done.returncode != 0, done.stdout
    assert named in done.stderr


@pytest.mark.parametrize(("path", "value", "named"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_a_bad_scenario_is_refused_by_the_name_of_its_field(
    cluster: Cluster, path: tuple[str, ...], value: object, named: str
) -> None:
    done = cluster.kubectl("apply", "--dry-run=server", "-f", "-", stdin=scenario(*path, value=value))
    assert done.returncode != 0, done.stdout
    assert named in done.stderr


@pytest.mark.parametrize("good", [GOOD, OUTAGE, OBSERVED], ids=["a release", "an outage", "evidence"])
def test_a_good_scenario_is_taken(cluster: Cluster, good: dict[str, Any]) -> None:
    cluster.apply(good)
    assert cluster.get("ssc", "trial")["spec"] == good["spec"]
    assert cluster.kubectl("delete", "ssc", "trial", "--timeout=10s").returncode == 0


@pytest.mark.parametrize("path", sorted((ROOT / "scenarios").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_scenarios_of_this_project_are_taken(cluster: Cluster, path: Path) -> None:
    done = cluster.kubectl("apply", "--dry-run=server", "-f", str(path))
    assert done.returncode == 0, done.stderr


def test_the_spec_is_frozen_while_a_run_is_on(cluster: Cluster) -> None:
    def set_phase(phase: str) -> None:
        patch = json.dumps({"status": {"phase": phase, "runId": "1"}})
        done = cluster.kubectl("patch", "ssc", "trial", "--subresource=status", "--type=merge", "-p", patch)
        assert done.returncode == 0, done.stderr

    cluster.apply(scenario())
    try:
        set_phase("Analyzing")
        for path, value in [
            (("spec", "release", "version"), "1.6.0"),
            (("spec", "analysis", "deadline"), "5m"),
            (("spec", "load"), None),
            (("spec", "rollback"), {"mode": "Never"}),
            (("spec", "faults"), [{**FAULT, "target": "user"}]),
        ]:
            done = cluster.kubectl("apply", "-f", "-", stdin=scenario(*path, value=value))
            assert "is frozen while the run is on" in done.stderr
        cluster.apply(scenario("spec", "runId", value="2"))
        cluster.apply(scenario("metadata", "annotations", value={"team": "payments"}))
        set_phase("Succeeded")
        cluster.apply(scenario("spec", "release", "version", value="1.6.0"))
    finally:
        cluster.kubectl("delete", "ssc", "trial", "--timeout=10s")
