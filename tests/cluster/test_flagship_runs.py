"""What a bad release costs: the flagship, decided by its errors check alone, FLAGSHIP_RUNS times (`make flagship`).

Requests are as Sentry counted them, by the second; when callers left the candidate stands in their logs.
"""

from __future__ import annotations

import json
import os
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles
from typing import Any

import httpx2
import pytest

from tests.cluster.kind import kubectl
from tests.cluster.stack import NAMESPACE, REGRESSION, SENTRY, complete, reset, sentry_client, variant

CALLERS = ("gateway", "game")
RUNS = int(os.environ.get("FLAGSHIP_RUNS", "1"))


@dataclass(frozen=True)
class Run:
    """Seconds; and requests of the candidate, of which those in the very second of the decision count as `before`.

    `left`: until the last of its callers began no more calls to it. `failed_to_players`: requests that the gateway
    failed, whoever's fault it was; a machine that is too slow fails some by their deadlines.
    """

    first_failure_to_decision: float
    decision_to_left: float
    decision_to_gone: float
    requests_before: int
    requests_after: int
    failed: int
    failed_to_players: int


def by_second(sentry: httpx2.Client, query: str, axis: str, begin: datetime, end: datetime) -> dict[datetime, int]:
    """A count of the spans dataset for each second that has any."""
    asked = {
        "dataset": "spans",
        "query": f"is_transaction:true {query}",
        "yAxis": axis,
        "interval": "1s",
        "environment": "demo",
        "start": begin.strftime("%Y-%m-%dT%H:%M:%S"),
        "end": end.strftime("%Y-%m-%dT%H:%M:%S"),
    }
    answer = sentry.get(f"{SENTRY}/events-timeseries/", params=asked)
    assert answer.status_code == 200, answer.text
    points = [point for series in answer.json()["timeSeries"] for point in series["values"]]
    return {datetime.fromtimestamp(p["timestamp"] / 1000, UTC): p["value"] for p in points if p["value"]}


def measured(sentry: httpx2.Client, status: dict[str, Any]) -> Run:
    """What Sentry knows of a run that was rolled back."""
    release = status["targets"][0]["newRelease"]
    times = {name: datetime.fromisoformat(time) for name, time in status["times"].items()}
    decision, window = times["detectedAt"], (times["appliedAt"], datetime.now(UTC) + timedelta(seconds=1))
    requests = by_second(sentry, f"release:{release}", "count()", *window)
    failed = by_second(sentry, f"release:{release}", "failure_count()", *window)
    # Until the candidate is gone: what fails later, it cannot have failed.
    gone = times["rolledBackAt"] + timedelta(seconds=1)
    players = by_second(sentry, "release:gateway@1.4.0", "failure_count()", window[0], gone)
    errors = sentry.get(
        f"{SENTRY}/events/",
        params={"dataset": "errors", "field": "timestamp", "query": f"release:{release}", "sort": "timestamp",
                "statsPeriod": "1h"},
    ).json()["data"]  # fmt: skip
    first = datetime.fromisoformat(errors[0]["timestamp"])
    return Run(
        first_failure_to_decision=(decision - first).total_seconds(),
        decision_to_left=(max(left(caller, decision) for caller in CALLERS) - decision).total_seconds(),
        decision_to_gone=(times["rolledBackAt"] - decision).total_seconds(),
        requests_before=sum(n for second, n in requests.items() if second <= decision),
        requests_after=sum(n for second, n in requests.items() if second > decision),
        failed=sum(failed.values()),
        failed_to_players=sum(players.values()),
    )


def left(caller: str, decision: datetime) -> datetime:
    """When a service had swapped its channel to payment for one without the candidate."""
    lines = kubectl(
        "logs", f"deployment/{caller}", "-n", NAMESPACE, f"--since-time={decision.isoformat()}"
    ).splitlines()
    said = [json.loads(line) for line in lines if line.startswith("{")]
    swaps = [line for line in said if line["message"].startswith("endpoints are now") and ":8083" in line["message"]]
    times = [datetime.fromisoformat(line["time"]) for line in swaps]
    return min(time for time in times if time > decision)


def table(runs: list[Run]) -> list[str]:
    """A line a figure: each run, the median, the 90th percentile."""
    lines = []
    for field, values in zip(fields(Run), zip(*map(astuple, runs), strict=True), strict=True):
        each = " ".join(f"{value:g}" for value in (round(value, 1) for value in values))
        p90 = quantiles(values, n=10, method="inclusive")[-1] if len(values) > 1 else values[0]
        lines.append(f"{field.name:26} median {median(values):5.1f}  p90 {p90:5.1f}  ({each})")
    return lines


@pytest.mark.timeout(180 * RUNS + 120)
def test_what_a_bad_release_costs(capsys: pytest.CaptureFixture[str]) -> None:
    runs = []
    with sentry_client() as sentry:
        for number in range(1, RUNS + 1):
            reset()
            name = f"flagship-{number}"
            scenario = variant(REGRESSION, name)
            analysis = scenario["spec"]["analysis"]
            analysis["checks"] = [check for check in analysis["checks"] if check["type"] == "ErrorRate"]
            kubectl("apply", "-n", NAMESPACE, "-f", "-", stdin=scenario)
            ended = complete(name)
            assert (ended["phase"], ended["verdict"]) == ("Succeeded", "RolledBack"), ended
            runs.append(measured(sentry, ended))
        reset()
    with capsys.disabled():
        print("", f"{RUNS} bad releases, decided by their errors:", *table(runs), sep="\n")
