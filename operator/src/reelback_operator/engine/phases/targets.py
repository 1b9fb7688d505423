"""The targets of a run: whether they are fit for it, what they were before, and bringing a release in and out."""

from __future__ import annotations

from collections.abc import Mapping

from reelback_operator.engine.model.actions import Claim, RemoveCandidate, SetCandidate, SetStable
from reelback_operator.engine.model.spec import Release, Spec, Target
from reelback_operator.engine.model.status import Phase, TargetStatus
from reelback_operator.engine.model.workload import FAULTS_VARIABLE, PATIENCE, Track, Workload
from reelback_operator.engine.phases import faults
from reelback_operator.engine.phases.run import Step

# A run that waits for its turn is not begun after so many seconds.
TURN_SECONDS = 3600.0
# Somebody who takes a release away so many times does it again.
RESETS = 2

_LEFT = "; not rolled back: "


def prepared(run: Step) -> bool:
    """Whether the targets are fit for the run, its own, and written down. Refuses a run that they never will fit."""
    status, workloads = run.status, run.seen.workloads
    if status.times.started_at:
        return True
    waited = run.seconds_since(status.times.applied_at)
    if status.refused:
        run.refuse(status.message)
    elif workloads is None:
        if waited > PATIENCE:
            run.refuse(run.seen.platform_problem)
    elif problem := _unfit(run.spec, workloads) or _beyond(run):
        run.refuse(problem)
    elif not status.claimed and run.spec.targets:
        status.message = f"waiting: {status.problem}" if status.problem else ""
        if waited > TURN_SECONDS:
            run.refuse(f"waited for {waited:.0f} s: {status.problem}")
        else:
            run.actions.append(Claim(run.spec.targets))
    elif problem := _foreign(run) or _unready(run):
        status.message = f"waiting: {problem}"
        if run.stalled > run.patience:
            run.refuse(problem)
    elif not run.actions:
        _begin(run, {name: workload for name, workload in workloads.items() if workload})
    return status.times.started_at is not None


def _unfit(spec: Spec, workloads: Mapping[str, Workload | None]) -> str:
    """Why a workload can never take part as it is, if one cannot."""
    for field, target, new in _named(spec):
        workload = workloads.get(target.name)
        if workload is None:
            return f"{field}: no workload {target.name!r}"
        if workload.obstacle:
            return f"{field}: {target.name} {workload.obstacle}"
        if not workload.stable.release:
            return f"{field}: {target.name} has no {target.variable}, its releases cannot be told apart"
        if workload.stable.release == new:
            return f"spec.release.version: {target.name} already serves {new}"
        if new is None and not faults.readable(workload):
            return f"{field}: {target.name} has a {FAULTS_VARIABLE} that is not a JSON object"
    return ""


def _beyond(run: Step) -> str:
    """What the release would change that no scenario may, if it would."""
    for target in run.spec.release.targets if run.spec.release else ():
        image = workload.stable.template.image if (workload := run.workload(target.name)) else None
        if refusal := run.seen.bounds.refusal(run.release, target.variable, image):
            return f"{refusal} (for {target.name})"
    return ""


def _named(spec: Spec) -> list[tuple[str, Target, str | None]]:
    """Each target with its field in the spec and the release that it shall get."""
    named: list[tuple[str, Target, str | None]] = []
    if spec.release:
        for index, target in enumerate(spec.release.targets):
            named.append((f"spec.release.targets[{index}].name", target, spec.release.of(target.name)))
    for index, fault in enumerate(spec.faults):
        named.append((f"spec.faults[{index}].target", Target(name=fault.target), None))
    return named


def _foreign(run: Step) -> str:
    """Whose candidate is in the way, if one is. What an earlier run of this scenario left there is removed."""
    for field, target, _ in _named(run.spec):
        workload = run.workload(target.name)
        candidate = workload.candidate if workload else None
        if candidate is None:
            continue
        if candidate.owner == run.seen.scenario:
            run.actions.append(RemoveCandidate(target))
        elif candidate.owner or candidate.desired:
            whose = f" of scenario {candidate.owner}" if candidate.owner else ""
            return f"{field}: {target.name} has a candidate already, {candidate.release}{whose}"
        else:
            return f"{field}: {target.name} has a candidate that is still going away, {candidate.release}"
    return ""


def _unready(run: Step) -> str:
    """Which target does not serve as it should yet, if one does not."""
    for field, target, _ in _named(run.spec):
        workload = run.workload(target.name)
        if workload and (not workload.settled or not workload.stable.ready):
            return f"{field}: {target.name} is not ready: {workload.stable.problem or 'it has not settled'}"
    return ""


def _begin(run: Step, found: Mapping[str, Workload]) -> None:
    """Write down what the targets are before the run."""
    status, release = run.status, run.spec.release
    if release:
        status.targets = [_before(run, release, target, found[target.name]) for target in release.targets]
    status.faults = [faults.before(fault, found[fault.target]) for fault in run.spec.faults]
    status.times.started_at, status.message = run.now, ""


def _before(run: Step, release: Release, target: Target, workload: Workload) -> TargetStatus:
    """What the target is before the run."""
    template = workload.stable.template
    before = TargetStatus(
        name=target.name,
        old_release=workload.stable.release,
        new_release=release.of(target.name),
        before=template.digest,
    )
    before.after = template.changed(run.change(before), target.variable).digest
    return before


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
    if candidate is None or candidate.template.digest != target.after or candidate.desired != replicas:
        _missed(target)
        run.actions.append(SetCandidate(run.target(target.name), run.change(target), replicas))
        return False
    target.there = True
    return candidate.ready >= replicas


def _replaced(run: Step, target: TargetStatus) -> bool:
    workload = run.workload(target.name)
    if workload is None or workload.stable.template.digest != target.after:
        _missed(target)
        target.in_place = True
        run.actions.append(SetStable(run.target(target.name), run.change(target)))
        return False
    target.there = True
    if not workload.settled or not workload.stable.ready:
        return False
    if workload.candidate is not None:
        run.actions.append(RemoveCandidate(run.target(target.name)))
        return False
    return True


def _missed(target: TargetStatus) -> None:
    """Note that the release is not where it is to be: if it has been there, somebody took it away."""
    if target.there:
        target.there, target.resets = False, target.resets + 1


def present(run: Step) -> bool:
    """Whether an instance of the release serves in some target, so that requests of it are its own."""
    return any((track := on_trial(run, target)) is not None and track.ready > 0 for target in run.status.targets)


def on_trial(run: Step, target: TargetStatus) -> Track | None:
    """The instances of the release in a target, if they are what was asked for."""
    workload = run.workload(target.name)
    track = (workload.stable if target.in_place else workload.candidate) if workload else None
    return track if track and track.template.digest == target.after else None


def broken(run: Step) -> str:
    """What is wrong with the instances of the release, whatever Sentry knows of them, or nothing."""
    for target in run.status.targets:
        track = on_trial(run, target)
        if track and track.problem:
            return f"{target.new_release}: {track.problem}"
    return ""


def take_back(run: Step) -> bool:
    """Whether release and faults are gone from every target; else ask for that. What is somebody else's stays."""
    gone = faults.take_back(run)
    for target in run.status.targets:
        workload = run.workload(target.name)
        if workload is None:
            continue
        if workload.candidate is not None and workload.candidate.owner in ("", run.seen.scenario):
            run.actions.append(RemoveCandidate(run.target(target.name)))
            gone = False
        if target.in_place and workload.stable.template.digest == target.after:
            run.actions.append(run.put_back(target))
            gone = False
        elif target.in_place and workload.stable.template.digest == target.before and not workload.settled:
            gone = False
    return gone


def not_changed(run: Step, names: str) -> str:
    """That these have not become what they shall be in time, and why."""
    why = run.seen.platform_problem or problem(run) or run.status.problem or "no instance became ready"
    return f"{names} not ready, and no progress for {run.stalled:.0f} s: {why}"


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
        by = f" by {workload.writer}" if workload.writer else ""
        allowed = (target.before, target.after) if target.in_place else (target.before,)
        if workload.stable.template.digest not in allowed:
            what = workload.stable.release
            same = " with another template" if what in (target.old_release, target.new_release) else ""
            return f"{target.name} was changed to {what}{same} during the run{by}"
        if target.resets >= RESETS:
            return f"{target.new_release} was taken away {target.resets} times during the run{by}"
    return faults.stranger(run)


def problem(run: Step) -> str:
    """What an instance of a target says of itself, if one has a problem."""
    for name, workload in (run.seen.workloads or {}).items():
        for track in (workload.candidate, workload.stable) if workload else ():
            if track and track.problem:
                return f"{name}: {track.problem}"
    return ""


def snapshot(run: Step) -> str:
    """What the targets look like, as far as it shows progress."""
    return "; ".join(
        f"{name} {workload.settled} "
        + " ".join(
            f"{track.template.digest}:{track.ready}/{track.desired}"
            for track in (workload.stable, workload.candidate)
            if track
        )
        for name, workload in (run.seen.workloads or {}).items()
        if workload
    )
