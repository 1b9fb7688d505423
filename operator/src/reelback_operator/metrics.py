"""What Prometheus sees of the operator: the same figures that a scenario's status shows."""

from __future__ import annotations

from collections import Counter as Tally

from prometheus_client import Counter, Gauge, Histogram

from reelback_operator.engine.model.resource import Phase, Status

SECONDS = (1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 300, 600)

_scenarios = Gauge("reelback_scenarios", "Scenarios by phase", ["phase"])
_verdicts = Counter("reelback_verdicts", "Runs that ended, by verdict", ["verdict"])
_detected = Histogram("reelback_time_to_detect_seconds", "First failed request to the decision", buckets=SECONDS)
_recovered = Histogram("reelback_mttr_seconds", "First failed request to recovery", buckets=SECONDS)
failed_ticks = Counter("reelback_failed_ticks", "Looks at a scenario that ended in an error of the operator itself")

_phases: dict[str, Phase] = {}


def set_phase(uid: str, phase: Phase | None) -> None:
    """Note the phase of the scenario with this uid; None when it is gone."""
    if phase is None:
        _phases.pop(uid, None)
    else:
        _phases[uid] = phase
    tally = Tally(_phases.values())
    for each in Phase:
        _scenarios.labels(each.value).set(tally[each])


def count_run(status: Status) -> None:
    """Count a run that has just ended."""
    _verdicts.labels(status.verdict.value if status.verdict else "None").inc()
    if status.durations.time_to_detect_seconds is not None:
        _detected.observe(status.durations.time_to_detect_seconds)
    if status.durations.mttr_seconds is not None:
        _recovered.observe(status.durations.mttr_seconds)
