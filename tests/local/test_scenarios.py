"""Both scenarios from their files, end to end, on one stack."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta

import pytest

from tests.local.stack import Stack, read_until, until

OLD, NEW = "payment@1.4.0", "payment@1.5.0"
REGRESSION = "scenarios/scenario-release-regression.yaml"
HEALTHY = "scenarios/scenario-healthy-release.yaml"


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
