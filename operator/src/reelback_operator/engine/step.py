"""The scenario engine: one pure function from what is known and what is seen to what shall be done.

A phase asks for what it needs again and again until it sees it done, so a step may be repeated, and an operator that
was killed goes on from the status. What cannot be seen, that an action was carried out, comes back through `record`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import get_args

from reelback_operator.engine import checks, targets
from reelback_operator.engine.actions import Action, MarkDeploy, MarkRelease, RemoveLoad, SetLoad
from reelback_operator.engine.observations import Observations
from reelback_operator.engine.run import Step, note
from reelback_operator.engine.spec import Spec, Verdict
from reelback_operator.engine.status import ConditionType, Counts, Phase, Status
from reelback_operator.engine.workload import Workload

# A baseline that served so many requests is history enough; it is waited for no longer than so many seconds.
HISTORY_REQUESTS = 200
HISTORY_SECONDS = 30.0
# What the platform is given to bring a change about, and a target to settle before the run.
CHANGE_SECONDS = 120.0

_WAITING = "; waiting for the annotation reelback.dev/rollback: approved"


def step(spec: Spec, status: Status, seen: Observations, now: datetime) -> tuple[Status, list[Action]]:
    """The status after what was seen, and what is to be done once that status is saved."""
    status = _begun(spec, status.model_copy(deep=True), seen, now)
    run = Step(spec, status, seen, now)
    phase = None
    while status.phase != phase and not status.complete:
        phase = status.phase
        run.actions = []
        _PHASES[phase](run)
    if not status.complete:
        status.problem = seen.platform_problem or seen.sentry_problem
        run.measure()
    return status, run.actions


def record(status: Status, done: Sequence[Action], problem: str, now: datetime) -> Status:
    """The status after actions were carried out, and why another was not (or empty)."""
    status = status.model_copy(deep=True)
    for action in done:
        match action:
            case SetLoad(rps) if not status.load:
                status.load = True
                note(status, now, "LoadStarted", f"{rps:g} requests/s")
            case RemoveLoad() if status.load:
                status.load = False
                note(status, now, "LoadEnded")
            case MarkRelease(release) if release not in status.sentry.releases:
                status.sentry.releases.append(release)
            case MarkDeploy() if action.label not in status.sentry.deploys:
                status.sentry.deploys.append(action.label)
                note(status, now, "DeployMarked", action.label)
    status.problem = problem or status.problem
    return status


def undo(spec: Spec, status: Status, workloads: Mapping[str, Workload | None], now: datetime) -> list[Action]:
    """What takes back all that a run did to its targets, whatever phase it is in; empty when nothing is left of it."""
    run = Step(spec, status, Observations(workloads), now)
    targets.take_back(run)
    return run.actions


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
    run.enter(Phase.PENDING, "Applied", f"run {spec.run_id} of {spec.release.version}")
    for kind in get_args(ConditionType):
        run.condition(kind, "False", "Pending")
    return new


def _pending(run: Step) -> None:
    """Check the targets, write down what they are like, start the players, wait until the baseline has a history."""
    status, workloads, look = run.status, run.seen.workloads, run.seen.look
    waited = run.seconds_since(status.times.applied_at)
    if not status.targets:
        problem, hopeless = run.seen.platform_problem, False
        if workloads is not None:
            problem, hopeless = targets.unfit(run.spec, workloads)
        if problem and (hopeless or waited > CHANGE_SECONDS):
            run.refuse(problem)
        if problem or workloads is None:
            return
        status.targets = [targets.before(run.spec, workload) for workload in workloads.values() if workload]
    if status.verdict:  # given up, and the players are on their way out: not to be started again
        run.end(Phase.FAILED, "Failed")
    elif run.spec.load and not status.load:
        run.actions.append(SetLoad(run.spec.load.rps))
    elif _sentry_is_gone(run):
        status.verdict, status.message = Verdict.ERROR, f"nothing was rolled out: {status.problem}"
        run.end(Phase.FAILED, "Failed")
    elif look is not None:
        for target in status.targets:
            traffic = look.traffic.get(target.old_release)
            target.history = traffic.counts if traffic else Counts()
        least = min(target.history.requests for target in status.targets)
        if least >= HISTORY_REQUESTS or waited > HISTORY_SECONDS:
            run.enter(Phase.ROLLING_OUT, "RollingOut", f"the baseline has a history of {least} requests")


def _rolling_out(run: Step) -> None:
    """Bring the candidate in; or, once it is promoted, put it in place of the old release."""
    status = run.status
    promoted = status.verdict == Verdict.PROMOTED
    run.mark()
    if run.seen.workloads is not None:
        if stranger := targets.stranger(run):
            _abort(run, stranger)
        elif targets.serve(run, in_place=promoted):
            if promoted:
                run.end(Phase.SUCCEEDED, "Promoted")
            else:
                status.times.serving_at = run.now
                run.condition("RolledOut", "True", "Serving")
                run.enter(Phase.ANALYZING, "Serving", ", ".join(target.new_release for target in status.targets))
            return
    if run.seconds_since(status.changing_since) > CHANGE_SECONDS and status.phase == Phase.ROLLING_OUT:
        problem = run.seen.platform_problem or targets.problem(run) or status.problem or "no instance became ready"
        releases = ", ".join(target.new_release for target in status.targets)
        _give_up(run, Verdict.ERROR, f"{releases} not ready within {CHANGE_SECONDS:.0f} s: {problem}")


def _analyzing(run: Step) -> None:
    """Look, and decide: roll back, promote, or look again."""
    status, look = run.status, run.seen.look
    fresh = status.looked_at != run.now
    run.mark()
    if status.verdict is not None:  # a dry run that is over
        run.end(Phase.SUCCEEDED if status.verdict == Verdict.ROLLED_BACK else Phase.FAILED, "DryRun")
        return
    if run.seen.workloads is not None:
        if stranger := targets.stranger(run):
            _abort(run, stranger)
            return
        targets.serve(run, in_place=False)
    if _sentry_is_gone(run):
        _give_up(run, Verdict.ERROR, f"{status.failed_looks} times in a row: {run.seen.sentry_problem}")
    elif status.times.detected_at is not None:  # and a person is waited for
        _regression(run)
    elif look is not None and fresh:
        _first_failure(run)
        checks.evaluate(run.spec, status, look)
        failed = [check for check in status.checks if check.outcome == "Failed"]
        if failed:
            status.times.detected_at = run.now
            status.message = "; ".join(check.detail for check in failed)
            issues = [issue for target in status.targets for issue in look.issues.get(target.new_release, ())]
            status.sentry.issue_url = max(issues, key=lambda issue: issue.events).url if issues else None
            run.condition("RegressionDetected", "True", "CheckFailed", status.message)
            run.note("RegressionDetected", status.message)
            _regression(run)
        elif run.seconds_since(status.times.serving_at) >= run.spec.analysis.deadline:
            _deadline(run, enough=checks.enough(run.spec, status, look))


def _deadline(run: Step, *, enough: bool) -> None:
    """Nothing was found until the deadline: the candidate is healthy if it served enough to say so."""
    status, policy = run.status, run.spec.analysis.on_no_data
    if enough or policy == "Ignore":
        for check in status.checks:
            check.outcome = "Passed" if check.outcome == "Running" else check.outcome
        status.verdict, status.message = Verdict.PROMOTED, "; ".join(check.detail for check in status.checks)
        run.enter(Phase.ROLLING_OUT, "Promoting", status.message)
        return
    message = f"too little data until the deadline: {checks.MIN_REQUESTS} requests of each release are needed"
    _give_up(run, Verdict.ROLLED_BACK if policy == "Rollback" else Verdict.INCONCLUSIVE, message)


def _regression(run: Step) -> None:
    """Roll back what has failed, unless a person has to say so first."""
    message = run.status.message.removesuffix(_WAITING)
    if run.spec.rollback.mode != "Manual" or run.seen.approved:
        _give_up(run, Verdict.ROLLED_BACK, message)
    elif message == run.status.message:
        run.status.message += _WAITING
        run.note("WaitingForApproval", "annotate the scenario with reelback.dev/rollback=approved")


def _give_up(run: Step, verdict: Verdict, message: str) -> None:
    """Take the candidate back, with this verdict on it; in a dry run leave it as it is."""
    status = run.status
    status.verdict, status.message = verdict, message
    if run.spec.rollback.mode == "Never" and status.phase == Phase.ANALYZING:
        status.message += "; a dry run: it was not rolled back"
        run.end(Phase.SUCCEEDED if verdict == Verdict.ROLLED_BACK else Phase.FAILED, "DryRun")
    else:
        run.enter(Phase.ROLLING_BACK, "RollingBack", message)


def _abort(run: Step, message: str) -> None:
    """End the run because a target is no longer what it was: take back what is ours, leave the rest alone."""
    run.status.aborted = True
    run.status.verdict, run.status.message = Verdict.INCONCLUSIVE, message
    run.enter(Phase.ROLLING_BACK, "Aborting", message)


def _rolling_back(run: Step) -> None:
    """Take the release back in every target at once."""
    status = run.status
    if status.times.rolled_back_at is None and run.seen.workloads is not None and targets.take_back(run):
        status.times.rolled_back_at = run.now
        run.condition("RolledOut", "False", "RolledBack")
        run.note("RolledBack", ", ".join(target.old_release for target in status.targets))
    if status.times.rolled_back_at is None:
        if run.seconds_since(status.changing_since) > CHANGE_SECONDS:
            problem = run.seen.platform_problem or targets.problem(run) or status.problem or "it has not settled"
            status.message = f"{status.message.partition(_LEFT)[0]}{_LEFT}{problem}"
            run.end(Phase.FAILED, "NotRolledBack")
    elif status.verdict == Verdict.ROLLED_BACK:
        run.enter(Phase.RECOVERING, "Recovering")
    else:
        run.end(Phase.ABORTED if status.aborted else Phase.FAILED, "Aborted" if status.aborted else "Failed")


def _recovering(run: Step) -> None:
    """Watch the old release until it is as healthy as it was before."""
    status, recovery, look = run.status, run.spec.recovery, run.seen.look
    waited = run.seconds_since(status.times.rolled_back_at)
    _first_failure(run)
    run.mark()
    if status.times.recovered_at is None and waited >= recovery.healthy_for:
        if look and checks.recovered(run.spec, status, look):
            status.times.recovered_at = run.now
            run.condition("Recovered", "True", "Healthy")
            run.note("Recovered", f"as healthy as before for {recovery.healthy_for:g} s")
        elif waited > recovery.timeout:
            status.message = f"{status.message.removesuffix(_ILL)}{_ILL}"
            run.condition("Recovered", "False", "Timeout")
            run.end(Phase.FAILED, "NotRecovered")
    if status.times.recovered_at is not None:
        run.end(Phase.SUCCEEDED, "Complete")


_LEFT = f"; not rolled back within {CHANGE_SECONDS:.0f} s: "
_ILL = "; recovered: no"
_PHASES: dict[Phase, Callable[[Step], None]] = {
    Phase.PENDING: _pending,
    Phase.ROLLING_OUT: _rolling_out,
    Phase.ANALYZING: _analyzing,
    Phase.ROLLING_BACK: _rolling_back,
    Phase.RECOVERING: _recovering,
}


def _sentry_is_gone(run: Step) -> bool:
    """Whether Sentry did not answer so many times in a row that the run has to end. Counts this look, once."""
    status, seen = run.status, run.seen
    if status.looked_at != run.now and (seen.look or seen.sentry_problem):
        status.looked_at = run.now
        status.failed_looks = 0 if seen.look else status.failed_looks + 1
        status.problem = seen.sentry_problem
    return status.failed_looks >= run.spec.analysis.consecutive_error_limit


def _first_failure(run: Step) -> None:
    """Note when the candidate failed first, as soon as Sentry knows."""
    failure = run.seen.look.first_failure if run.seen.look else None
    if failure and run.status.times.first_error_at is None:
        run.status.times.first_error_at = failure.at
        run.status.sentry.trace_url = failure.trace_url
