"""The targets of a run: whether they are fit for it, what they were before, and bringing a release in and out."""

from __future__ import annotations

from collections.abc import Mapping

from reelback_operator.engine.actions import RemoveCandidate, SetCandidate, SetStable
from reelback_operator.engine.run import Step
from reelback_operator.engine.spec import Spec
from reelback_operator.engine.status import TargetStatus
from reelback_operator.engine.workload import Workload


def unfit(spec: Spec, workloads: Mapping[str, Workload | None]) -> tuple[str, bool]:
    """Why a target cannot take part, if one cannot, and whether waiting will not help."""
    for index, target in enumerate(spec.release.targets):
        field, workload = f"spec.release.targets[{index}].name", workloads.get(target.name)
        if workload is None:
            return f"{field}: no workload {target.name!r}", True
        if not workload.stable.release:
            return f"{field}: {target.name} has no SENTRY_RELEASE, its releases cannot be told apart", True
        if workload.stable.release == spec.release_of(target.name):
            return f"spec.release.version: {target.name} already serves {workload.stable.release}", True
        if workload.candidate and workload.candidate.release != spec.release_of(target.name):
            return f"{field}: {target.name} has a candidate already, {workload.candidate.release}", True
        if not workload.settled or not workload.stable.ready:
            return f"{field}: {target.name} is not ready: {workload.stable.problem or 'it has not settled'}", False
    return "", False


def before(spec: Spec, workload: Workload) -> TargetStatus:
    """What the target is before the run, as far as the patch changes it."""
    patch = spec.release.patch
    return TargetStatus(
        name=workload.name,
        old_release=workload.stable.release,
        new_release=spec.release_of(workload.name),
        image=workload.image if patch.image else None,
        env={name: workload.env[name] for name in patch.env if name in workload.env},
        added=[name for name in patch.env if name not in workload.env],
    )


def serve(run: Step, *, in_place: bool) -> bool:
    """Whether the new release serves in every target; else ask for it, also when somebody reset it.

    It serves beside the old one while a Canary is on trial, otherwise in its place.
    """
    there = _replaced if in_place or run.spec.release.strategy.type == "Replace" else _beside
    serving = [there(run, target) for target in run.status.targets]
    return all(serving)


def _beside(run: Step, target: TargetStatus) -> bool:
    workload, replicas = run.workload(target), run.spec.release.strategy.replicas
    candidate = workload.candidate if workload else None
    if candidate is None or candidate.release != target.new_release or candidate.desired != replicas:
        run.actions.append(SetCandidate(target.name, run.change(target), replicas))
        return False
    return candidate.ready >= replicas


def _replaced(run: Step, target: TargetStatus) -> bool:
    workload = run.workload(target)
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
    """Whether the release is gone from every target; else ask for that. A release of somebody else's is left alone."""
    settled = True
    for target in run.status.targets:
        workload = run.workload(target)
        if workload is None:
            continue
        if workload.candidate is not None:
            run.actions.append(RemoveCandidate(target.name))
        if workload.stable.release == target.new_release:
            run.actions.append(SetStable(target.name, run.pre_image(target)))
        elif workload.stable.release == target.old_release and not workload.settled:
            settled = False
    return settled and not run.actions


def stranger(run: Step) -> str:
    """What somebody else did to a target that makes the comparison meaningless, or nothing."""
    for target in run.status.targets:
        workload = run.workload(target)
        if workload is None:
            return f"{target.name} was deleted during the run"
        if workload.stable.release not in (target.old_release, target.new_release):
            return f"{target.name} was changed to {workload.stable.release} during the run"
    return ""


def problem(run: Step) -> str:
    """What an instance of a target says of itself, if one has a problem."""
    for target in run.status.targets:
        workload = run.workload(target)
        for track in (workload.candidate, workload.stable) if workload else ():
            if track and track.problem:
                return f"{target.name}: {track.problem}"
    return ""
