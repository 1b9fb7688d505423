"""The targets of a run: whether they are fit for it, what they were before, and bringing a release in and out."""

from __future__ import annotations

from collections.abc import Mapping

from reelback_operator.engine import faults
from reelback_operator.engine.actions import RemoveCandidate, SetCandidate, SetStable
from reelback_operator.engine.run import CHANGE_SECONDS, Step
from reelback_operator.engine.spec import Release, Spec
from reelback_operator.engine.status import Phase, TargetStatus
from reelback_operator.engine.workload import FAULTS_VARIABLE, Workload

_LEFT = f"; not rolled back within {CHANGE_SECONDS:.0f} s: "


def prepared(run: Step) -> bool:
    """Whether the targets were found fit for the run and written down. Refuses a run that they never will fit."""
    status, workloads = run.status, run.seen.workloads
    if status.workloads:
        return True
    problem, hopeless = run.seen.platform_problem, False
    if workloads is not None:
        problem, hopeless = _unfit(run.spec, workloads)
    if problem and (hopeless or run.seconds_since(status.times.applied_at) > CHANGE_SECONDS):
        run.refuse(problem)
    if problem or workloads is None:
        return False
    found = {name: workload for name, workload in workloads.items() if workload}
    release = run.spec.release
    if release:
        status.targets = [_before(release, found[target.name]) for target in release.targets]
    status.faults = [faults.before(fault, found[fault.target]) for fault in run.spec.faults]
    return True


def _unfit(spec: Spec, workloads: Mapping[str, Workload | None]) -> tuple[str, bool]:
    """Why a workload cannot take part, if one cannot, and whether waiting will not help."""
    named: list[tuple[str, str, str | None]] = []
    if spec.release:
        for index, target in enumerate(spec.release.targets):
            named.append((f"spec.release.targets[{index}].name", target.name, spec.release.of(target.name)))
    for index, fault in enumerate(spec.faults):
        named.append((f"spec.faults[{index}].target", fault.target, None))
    for field, name, new in named:
        workload = workloads.get(name)
        if workload is None:
            return f"{field}: no workload {name!r}", True
        if workload.stable.release and workload.stable.release == new:
            return f"spec.release.version: {name} already serves {new}", True
        if problem := _obstacle(workload, new):
            return f"{field}: {name} has {problem}", True
        if not workload.settled or not workload.stable.ready:
            return f"{field}: {name} is not ready: {workload.stable.problem or 'it has not settled'}", False
    return "", False


def _obstacle(workload: Workload, new: str | None) -> str:
    """What a workload has, or lacks, that keeps a release `new` or a fault (None) out of it, if it does."""
    if not workload.stable.release:
        return "no SENTRY_RELEASE, its releases cannot be told apart"
    if workload.candidate and workload.candidate.release != new:
        return f"a candidate already, {workload.candidate.release}"
    if new is None and not faults.readable(workload):
        return f"a {FAULTS_VARIABLE} that is not a JSON object"
    return ""


def _before(release: Release, workload: Workload) -> TargetStatus:
    """What the target is before the run, as far as the patch changes it."""
    patch = release.patch
    return TargetStatus(
        name=workload.name,
        old_release=workload.stable.release,
        new_release=release.of(workload.name),
        image=workload.image if patch.image else None,
        env={name: workload.env[name] for name in patch.env if name in workload.env},
        added=[name for name in patch.env if name not in workload.env],
    )


def serve(run: Step, *, in_place: bool) -> bool:
    """Whether the new release serves in every target; else ask for it, also when somebody reset it.

    It serves beside the old one while a Canary is on trial, otherwise in its place.
    """
    there = _replaced if in_place or run.release.strategy.type == "Replace" else _beside
    serving = [there(run, target) for target in run.status.targets]
    return all(serving)


def _beside(run: Step, target: TargetStatus) -> bool:
    workload, replicas = run.workload(target.name), run.release.strategy.replicas
    candidate = workload.candidate if workload else None
    if candidate is None or candidate.release != target.new_release or candidate.desired != replicas:
        run.actions.append(SetCandidate(target.name, run.change(target), replicas))
        return False
    return candidate.ready >= replicas


def _replaced(run: Step, target: TargetStatus) -> bool:
    workload = run.workload(target.name)
    if workload is None or workload.stable.release != target.new_release:
        run.actions.append(SetStable(target.name, run.change(target)))
        return False
    if not workload.settled or not workload.stable.ready:
        return False
    if workload.candidate is not None:
        run.actions.append(RemoveCandidate(target.name))
        return False
    return True


def take_back(run: Step) -> bool:
    """Whether release and faults are gone from every target; else ask for that. What is somebody else's stays."""
    settled = faults.take_back(run)
    for target in run.status.targets:
        workload = run.workload(target.name)
        if workload is None:
            continue
        if workload.candidate is not None:
            run.actions.append(RemoveCandidate(target.name))
        if workload.stable.release == target.new_release:
            run.actions.append(SetStable(target.name, run.pre_image(target)))
        elif workload.stable.release == target.old_release and not workload.settled:
            settled = False
    return settled and not run.actions


def not_changed(run: Step, names: str) -> str:
    """That these have not become what they shall be in time, and why."""
    why = run.seen.platform_problem or problem(run) or run.status.problem or "no instance became ready"
    return f"{names} not ready within {CHANGE_SECONDS:.0f} s: {why}"


def left(run: Step) -> None:
    """End the run although not everything could be taken back, and say why."""
    why = run.seen.platform_problem or problem(run) or run.status.problem or "it has not settled"
    run.status.message = f"{run.status.message.partition(_LEFT)[0]}{_LEFT}{why}"
    run.end(Phase.FAILED, "NotRolledBack")


def stranger(run: Step) -> str:
    """What somebody else did to a target that makes the comparison meaningless, or nothing."""
    for target in run.status.targets:
        workload = run.workload(target.name)
        if workload is None:
            return f"{target.name} was deleted during the run"
        if workload.stable.release not in (target.old_release, target.new_release):
            return f"{target.name} was changed to {workload.stable.release} during the run"
    return faults.stranger(run)


def problem(run: Step) -> str:
    """What an instance of a target says of itself, if one has a problem."""
    for name in run.status.workloads:
        workload = run.workload(name)
        for track in (workload.candidate, workload.stable) if workload else ():
            if track and track.problem:
                return f"{name}: {track.problem}"
    return ""
