"""The scenario engine: one pure function from what is known and what is seen to what shall be done.

A phase asks for what it needs again and again until it sees it done, so a step may be repeated, and an operator that
was killed goes on from the status. What cannot be seen, that an action was carried out, comes back through `record`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import get_args

from reelback_operator.engine.model.actions import (
    Action,
    Claim,
    GiveBack,
    MarkDeploy,
    MarkRelease,
    RemoveLoad,
    SetCandidate,
    SetLoad,
    SetStable,
)
from reelback_operator.engine.model.observations import Observations
from reelback_operator.engine.model.spec import Spec
from reelback_operator.engine.model.status import ConditionType, Phase, Status
from reelback_operator.engine.model.workload import Workload
from reelback_operator.engine.phases import rollout, targets, watch
from reelback_operator.engine.phases.run import Step, note


def step(spec: Spec, status: Status, seen: Observations, now: datetime) -> tuple[Status, list[Action]]:
    """The status after what was seen, and what is to be done once that status is saved."""
    status = _begun(spec, status.model_copy(deep=True), seen, now)
    run = Step(spec, status, seen, now)
    _take_note(run)
    phases = rollout.PHASES if spec.release else watch.PHASES
    phase = None
    while status.phase != phase and not status.complete:
        phase = status.phase
        run.actions = []
        phases[phase](run)
        run.look = None
    if not status.complete:
        status.problem = seen.platform_problem or seen.sentry_problem
        run.measure()
    return status, run.actions


def _take_note(run: Step) -> None:
    """Note whether Sentry and the targets were seen, and whether these make progress. Each look counts once."""
    status, seen = run.status, run.seen
    if status.looked_at != run.now and (seen.look or seen.sentry_problem):
        run.look, status.looked_at = seen.look, run.now
        status.failed_looks = 0 if seen.look else status.failed_looks + 1
        status.problem = seen.sentry_problem or status.problem
    if seen.workloads is None:
        status.blind_since = status.blind_since or run.now
        return
    status.blind_since = None
    if (snapshot := targets.snapshot(run)) != status.progress:
        status.progress, status.progress_at = snapshot, run.now


def record(status: Status, done: Sequence[Action], problem: str, now: datetime) -> Status:
    """The status after actions were carried out, and why another was not (or empty)."""
    status = status.model_copy(deep=True)
    for action in done:
        match action:
            case SetLoad(rps, browsers, playing) if not status.load:
                status.load, status.browsers = True, playing
                beside = f", {playing} browsers" if playing else ", no browser is there to play in" if browsers else ""
                note(status, now, "LoadStarted", f"{rps:g} requests/s{beside}")
            case RemoveLoad() if status.load:
                status.load = False
                note(status, now, "LoadEnded")
            case SetStable(target, change) | SetCandidate(target, change):
                # It is there from now on: if it is not at the next look, somebody took it away in between.
                for each in status.targets:
                    each.there = each.there or (each.name, each.new_release) == (target.name, change.release)
            case Claim():
                status.claimed = True
            case GiveBack():
                status.claimed = False
            case MarkRelease(release) if release not in status.sentry.releases:
                status.sentry.releases.append(release)
            case MarkDeploy() if action.label not in status.sentry.deploys:
                status.sentry.deploys.append(action.label)
                note(status, now, "DeployMarked", action.label)
    status.problem = problem or status.problem
    return status


def undo(
    spec: Spec, status: Status, workloads: Mapping[str, Workload | None], scenario: str, now: datetime
) -> list[Action]:
    """What takes back all that a run of this scenario did, whatever phase it is in."""
    run = Step(spec, status.model_copy(deep=True), Observations(workloads, scenario=scenario), now)
    targets.take_back(run)
    return [*run.actions, RemoveLoad(), GiveBack(spec.targets)]


def _begun(spec: Spec, status: Status, seen: Observations, now: datetime) -> Status:
    """The status of the run that is on; that of a new one, when the spec asks for another than the last."""
    if status.run_id is None:  # none yet, or a spec that was refused and may have been mended
        known = status.complete and status.observed_generation == seen.generation
    else:
        known = not status.complete or status.run_id == spec.run_id
    if known:
        return status
    new = Status(run_id=spec.run_id, observed_generation=seen.generation, history=status.history)
    new.times.applied_at = now
    run = Step(spec, new, seen, now)
    what = f" of {spec.release.version}" if spec.release else ""
    run.enter(Phase.PENDING, "Applied", f"run {spec.run_id}{what}")
    for kind in get_args(ConditionType):
        run.condition(kind, "False", "Pending")
    return new
