"""Every scenario from its file, end to end, on one stack; those that only watch are cut short."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml
from reelback_operator.engine.model.workload import Template

from tests.local.stack import ROOT, Stack, read_until, until

OLD, NEW = "payment@1.4.0", "payment@1.5.0"
REGRESSION = "scenarios/scenario-release-regression.yaml"
REAL_BUG = "scenarios/scenario-real-bug.yaml"
HEALTHY = "scenarios/scenario-healthy-release.yaml"
OUTAGE = ROOT / "scenarios" / "scenario-payment-outage.yaml"
BUSINESS = ROOT / "scenarios" / "scenario-business-metrics.yaml"


def _deploys(stack: Stack, release: str) -> list[str]:
    return [deploy["name"] for deploy in stack.sentry(f"releases/{release}/deploys/")]


@pytest.mark.timeout(240)
def test_a_bad_release_is_rolled_back_once_although_the_run_is_killed_in_the_middle(stack: Stack) -> None:
    first = stack.begin("run", REGRESSION)
    read_until(first, "RegressionDetected")
    first.kill()
    first.communicate()
    assert "verdict" not in stack.report()["status"] or stack.report()["status"]["phase"] != "Succeeded"

    second = stack.run("run", REGRESSION, seconds=150)

    assert second.returncode == 0, second.stdout
    assert "verdict: RolledBack" in second.stdout
    assert "expectation: Met" in second.stdout
    assert f"release board: {stack.url('minisentry')}/" in second.stdout
    assert "trace: http" in second.stdout
    report = stack.report()
    assert report["scenario"]["metadata"]["name"] == "release-regression"
    status = report["status"]
    assert status["verdict"] == "RolledBack"
    assert status["durations"]["timeToDetectSeconds"] < 60
    assert [event["event"] for event in status["timeline"]].count("RolledBack") == 1
    assert [name for name in _deploys(stack, OLD) if name.startswith("rollback from")] == [f"rollback from {NEW}"]
    assert len(_deploys(stack, NEW)) == 1
    payments = [process for name, process in stack.processes().items() if name.startswith("payment")]
    assert [process.release for process in payments] == [OLD]
    assert "loadgen" not in stack.processes()
    assert stack.home.endpoints("payment").read_text().split() == [f"127.0.0.1:{payments[0].port}"]


@pytest.mark.timeout(240)
def test_a_run_is_alone_and_takes_back_what_it_did_when_interrupted(stack: Stack) -> None:
    before = stack.processes()
    run = stack.begin("run", REGRESSION)
    read_until(run, "RollingOut")
    until(lambda: "payment-candidate" in stack.processes(), "the candidate")
    other = stack.run("run", HEALTHY)
    assert (other.returncode, other.stdout) == (1, "another `reelback run` is on: wait for its end\n")
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=30)

    assert run.returncode == 130, output
    assert stack.report()["status"]["phase"] == "Aborted"
    until(lambda: stack.processes() == before, "the stack is as it was")


@pytest.mark.timeout(240)
def test_the_platforms_own_figures_are_in_sentry(stack: Stack, tmp_path: Path) -> None:
    run = stack.run("run", str(_shorter(BUSINESS, tmp_path, {"analysis": {"deadline": "20s"}})), seconds=200)

    assert run.returncode == 0, run.stdout
    assert "verdict: Passed" in run.stdout
    status = stack.report()["status"]
    assert {check["name"]: check["outcome"] for check in status["checks"]} == dict.fromkeys(
        ("rtp", "payments", "sessions", "volume"), "Passed"
    )
    fields = ["metric.name", "metric.unit", "count(metric.name)"]
    rows = stack.sentry("events/", dataset="tracemetrics", field=fields, query="", statsPeriod="5m")["data"]
    assert {row["metric.name"]: row["metric.unit"] for row in rows}.items() >= {
        "game.rtp": "ratio",
        "game.rtp.deviation": None,
        "sessions.active": None,
        "payment.success_rate": "ratio",
        "bets.volume": "cent",
        "bets.count": None,
        "wins.volume": "cent",
    }.items()


@pytest.mark.timeout(240)
def test_a_bug_in_a_releases_code_is_rolled_back_and_sentry_has_line_and_author(stack: Stack) -> None:
    run = stack.run("run", REAL_BUG, seconds=200)

    assert run.returncode == 0, run.stdout
    assert "verdict: RolledBack" in run.stdout
    status = stack.report()["status"]
    assert "IndexError: tuple index out of range" in status["message"]
    assert {check["name"] for check in status["checks"]} == {"errors", "newbug"}
    assert not [name for name in stack.processes() if name.startswith("payment-")]

    page = httpx2.get(status["sentry"]["issueURL"].replace("/issues/", "/board/data/issues/"), timeout=10).json()
    entries = {entry["type"]: entry["data"]["values"] for entry in page["event"]["entries"]}
    guilty = entries["exception"][-1]["stacktrace"]["frames"][-1]
    assert (guilty["filename"], guilty["function"]) == ("reelback_payment/limits.py", "check_bet")
    assert dict(guilty["context"])[guilty["lineNo"]].strip() == "share = SHARES[bisect(STEPS, amount)]"
    assert len(guilty["context"]) > 1
    assert page["firstRelease"] == "payment@1.5.1"
    [suspect] = page["suspects"]
    [commit] = yaml.safe_load((ROOT / REAL_BUG).read_text())["spec"]["release"]["commits"]
    assert {**suspect, "email": commit["email"]} == commit
    [told] = stack.sentry("releases/payment@1.5.1/commits/")
    assert told["author"] == {"name": commit["author"], "email": commit["email"]}

    # No charge that failed has moved money.
    assert stack.run("reconcile").returncode == 0


@pytest.mark.timeout(240)
def test_an_image_takes_the_place_of_the_sources_and_is_put_back(stack: Stack) -> None:
    def stable() -> dict[str, Any]:
        found: dict[str, Any] = stack.ask("GET", "/workloads", params={"name": "payment"}).json()["payment"]
        return found["stable"] if found["settled"] and found["stable"]["ready"] else {}

    before = stable()["template"]
    old = {"release": stable()["release"], "image": before["image"]}
    new = {"release": "payment@1.5.1", "image": "payment:1.5.1"}
    assert stack.ask("PUT", "/workloads/payment/stable", json={"change": {**new, "env": {}}}).status_code == 200
    until(lambda: stable().get("release") == new["release"], "the patched one serves")
    assert stable()["template"]["image"] == new["image"]

    body = {"before": Template(**before).digest, "variables": ["SENTRY_RELEASE"], "image": True}
    assert stack.ask("PATCH", "/workloads/payment/stable", json=body).status_code == 200
    until(lambda: stable().get("release") == old["release"], "the sources as they are serve")
    assert stable()["template"] == before


def test_an_image_of_which_there_is_no_patch_is_refused_by_its_name(stack: Stack) -> None:
    change = {"release": "payment@9.9.9", "image": "payment:9.9.9", "env": {}}
    put = stack.ask("PUT", "/workloads/payment/candidate", json={"change": change, "replicas": 1, "owner": ""})
    assert put.status_code == 409
    assert put.json()["detail"].startswith("payment: image: payment:9.9.9 is not payment:1.")


# Before the outage: a baseline with one in its history leaves no verdict on a short trial.
@pytest.mark.timeout(240)
def test_a_good_release_gets_its_share_of_requests_and_is_promoted(stack: Stack) -> None:
    run = stack.run("run", HEALTHY, seconds=200)

    assert run.returncode == 0, run.stdout
    assert "verdict: Promoted" in run.stdout
    status = stack.report()["status"]
    payment = stack.processes()["payment"]
    assert payment.release == NEW
    assert stack.home.endpoints("payment").read_text().split() == [f"127.0.0.1:{payment.port}"]

    # Two processes shared the requests while the candidate was watched: half each.
    serving = datetime.fromisoformat(status["times"]["servingAt"])
    rows = stack.sentry(
        "events/",
        dataset="spans",
        field=["release", "count()"],
        query=f"is_transaction:true release:[{OLD},{NEW}]",
        start=(serving + timedelta(seconds=2)).strftime("%Y-%m-%dT%H:%M:%S"),
        end=(serving + timedelta(seconds=18)).strftime("%Y-%m-%dT%H:%M:%S"),
    )["data"]
    requests = {row["release"]: row["count()"] for row in rows}
    share = requests[NEW] / (requests[OLD] + requests[NEW])
    assert sum(requests.values()) > 100
    assert 0.4 < share < 0.6


@pytest.mark.timeout(300)
def test_an_outage_ends_although_the_run_is_killed_in_the_middle(stack: Stack, tmp_path: Path) -> None:
    def payment() -> Any:
        """What it is; not how it ended once, in another test."""
        found = stack.ask("GET", "/workloads", params={"name": "payment"}).json()["payment"]
        found["stable"].pop("problem")
        return found

    before = payment()
    fault = {**yaml.safe_load(OUTAGE.read_text())["spec"]["faults"][0], "after": "2s", "duration": "12s"}
    file = str(_shorter(OUTAGE, tmp_path, {"faults": [fault], "recovery": {"healthyFor": "4s", "timeout": "2m"}}))
    first = stack.begin("run", file)
    read_until(first, "FaultServing")
    first.kill()
    first.communicate()
    assert payment()["stable"]["template"]["env"] == {
        **before["stable"]["template"]["env"],
        "REELBACK_FAULTS": '{"payment.charge.error_rate": 1}',
    }
    assert payment()["stable"]["release"] == before["stable"]["release"]

    second = stack.run("run", file, seconds=200)

    assert second.returncode == 0, second.stdout
    assert "verdict: Recovered" in second.stdout
    assert "trace: http" in second.stdout
    status = stack.report()["status"]
    events = [event["event"] for event in status["timeline"]]
    assert [events.count(event) for event in ("FaultAsked", "FaultServing", "FaultGone", "Recovered")] == [1] * 4
    assert payment() == before
    assert (status["sentry"]["releases"], status["sentry"]["deploys"]) == ([], []), (
        "it was the same release all the time"
    )
    assert "loadgen" not in stack.processes()


def _shorter(file: Path, folder: Path, changes: Mapping[str, Mapping[str, Any] | list[Any]]) -> Path:
    """A scenario with other values in parts of its spec."""
    manifest = yaml.safe_load(file.read_text())
    for part, change in changes.items():
        manifest["spec"][part] = change if isinstance(change, list) else {**manifest["spec"][part], **change}
    shorter = folder / file.name
    shorter.write_text(yaml.safe_dump(manifest))
    return shorter
