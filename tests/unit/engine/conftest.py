"""Worlds and scenarios for the tests of the engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml
from reelback_operator import controller
from reelback_operator.engine.model.resource import Scenario
from reelback_operator.platforms.base import Change

from tests.unit.engine.world import Deployed, World

MakeWorld = Callable[..., World]
MakeScenario = Callable[[Mapping[str, Any]], Scenario]

SCENARIO = """
apiVersion: reelback.dev/v1alpha1
kind: SentryScenario
metadata: {name: regression}
spec:
  release:
    version: 1.5.0
    targets: [{name: payment}]
    patch: {env: {REELBACK_FAULTS: '{"payment.charge.error_rate": 0.25}'}}
  load: {rps: 20}
  analysis:
    deadline: 60s
    checks:
      - {name: errors, type: ErrorRate}
      - {name: newbug, type: NewIssue, minEvents: 100}
      - {name: latency, type: LatencyP95, max: 500ms}
  expect: {verdict: RolledBack, maxTimeToDetect: 30s, maxMTTR: 60s}
"""


OUTAGE = """
apiVersion: reelback.dev/v1alpha1
kind: SentryScenario
metadata: {name: outage}
spec:
  faults: [{target: payment, values: {payment.charge.error_rate: "1"}, after: 10s, duration: 20s}]
  load: {rps: 20}
  analysis:
    deadline: 60s
    checks:
      - {name: payments, type: Metric, metric: payment.success_rate, kind: gauge, unit: ratio, min: "0.9",
         consecutiveFailures: 2}
  expect: {verdict: Recovered, maxTimeToDetect: 20s, maxMTTR: 60s}
"""


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> MakeWorld:
    """A maker of worlds in which payment@1.4.0 serves; the last one made has the controller's clock."""

    def make(**changes: Any) -> World:
        new = World(**changes)
        new.stable["payment"] = Deployed(Change("payment@1.4.0", "payment:1.4.0", {"KEEP": "1"}), 1, 0.0)
        monkeypatch.setattr(controller, "_now", new.time)
        return new

    return make


@pytest.fixture
def scenario() -> MakeScenario:
    """A maker of scenarios: the flagship, with these fields of the spec changed, by path: `analysis.deadline`."""

    def make(changes: Mapping[str, Any]) -> Scenario:
        return _changed(SCENARIO, changes)

    return make


@pytest.fixture
def outage() -> MakeScenario:
    """A maker of scenarios without a release: all payments fail for a while, with fields changed likewise."""

    def make(changes: Mapping[str, Any]) -> Scenario:
        return _changed(OUTAGE, changes)

    return make


def _changed(text: str, changes: Mapping[str, Any]) -> Scenario:
    manifest = yaml.safe_load(text)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = manifest["spec"]
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return Scenario.load(manifest)
