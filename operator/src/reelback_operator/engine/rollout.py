"""The phases of a scenario with a release: brought in, watched, and promoted or taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reelback_operator.engine import checks, faults, targets
from reelback_operator.engine.actions import SetLoad
from reelback_operator.engine.run import CHANGE_SECONDS, ILL, Step
from reelback_operator.engine.spec import Verdict
from reelback_operator.engine.status import Counts, Phase

# A baseline that served so many requests is history enough; it is waited for no longer than so many seconds.
HISTORY_REQUESTS = 200
HISTORY_SECONDS = 30.0

_WAITING = "; waiting for the annotation reelback.dev/rollback: approved"


def _pending(run: Step) -> None:
    """Check the targets, write down what they are like, start the players, wait until the baseline has a history."""
    status, look = run.status, run.seen.look
    waited = run.seconds_since(status.times.applied_at)
    if not targets.prepared(run):
        return
    if status.verdict:  # given up, and the players are on their way out: not to be started again
        run.end(Phase.FAILED, "Failed")
    elif run.spec.load and not status.load:
        run.actions.append(SetLoad(run.spec.load.rps))
    elif run.sentry_is_gone():
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
            run.abort(stranger)
        elif targets.serve(run, in_place=promoted) and (not promoted or faults.take_back(run)):
            if promoted:
                run.end(Phase.SUCCEEDED, "Promoted")
            else:
                status.times.serving_at = run.now
                run.condition("RolledOut", "True", "Serving")
                run.enter(Phase.ANALYZING, "Serving", ", ".join(target.new_release for target in status.targets))
            return
    if run.seconds_since(status.changing_since) > CHANGE_SECONDS and status.phase == Phase.ROLLING_OUT:
        releases = ", ".join(target.new_release for target in status.targets)
        _give_up(run, Verdict.ERROR, targets.not_changed(run, releases))


def _analyzing(run: Step) -> None:
    """Look, and decide: roll back, promote, or look again."""
    status, look = run.status, run.seen.look
    fresh = status.looked_at != run.now
    run.mark()
    if status.verdict is not None:  # a dry run that is over
        _dry_run(run)
        return
    if run.seen.workloads is not None:
        if stranger := targets.stranger(run):
            run.abort(stranger)
            return
        targets.serve(run, in_place=False)
    if run.sentry_is_gone():
        _give_up(run, Verdict.ERROR, f"{status.failed_looks} times in a row: {run.seen.sentry_problem}")
    elif stuck := faults.stuck(run):
        _give_up(run, Verdict.ERROR, targets.not_changed(run, stuck))
    elif status.times.detected_at is not None:  # and a person is waited for
        _regression(run)
    elif look is not None and fresh:
        run.first_failure()
        checks.evaluate(run.spec, status, look)
        failed = [check for check in status.checks if check.outcome == "Failed"]
        if failed:
            run.detected(failed)
            issues = [issue for target in status.targets for issue in look.issues.get(target.new_release, ())]
            status.sentry.issue_url = max(issues, key=lambda issue: issue.events).url if issues else None
            _regression(run)
        elif run.seconds_since(status.times.serving_at) >= run.spec.analysis.deadline:
            _deadline(run, enough=checks.enough(run.spec, status, look))
    if status.phase == Phase.ANALYZING and status.verdict is None:
        faults.drive(run)


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
        _dry_run(run)
    else:
        run.enter(Phase.ROLLING_BACK, "RollingBack", message)


def _dry_run(run: Step) -> None:
    """End a dry run: the candidate stays, faults do not."""
    if faults.take_back(run):
        run.end(Phase.SUCCEEDED if run.status.verdict == Verdict.ROLLED_BACK else Phase.FAILED, "DryRun")


def _rolling_back(run: Step) -> None:
    """Take the release back in every target at once."""
    status = run.status
    if status.times.rolled_back_at is None and run.seen.workloads is not None and targets.take_back(run):
        status.times.rolled_back_at = run.now
        run.condition("RolledOut", "False", "RolledBack")
        run.note("RolledBack", ", ".join(target.old_release for target in status.targets))
    if status.times.rolled_back_at is None:
        if run.seconds_since(status.changing_since) > CHANGE_SECONDS:
            targets.left(run)
    elif status.verdict == Verdict.ROLLED_BACK:
        run.enter(Phase.RECOVERING, "Recovering")
    else:
        run.end(Phase.ABORTED if status.aborted else Phase.FAILED, "Aborted" if status.aborted else "Failed")


def _recovering(run: Step) -> None:
    """Watch the old release until it is as healthy as it was before."""
    status, recovery, look = run.status, run.spec.recovery, run.seen.look
    waited = run.seconds_since(status.times.rolled_back_at)
    run.first_failure()
    run.mark()
    if status.times.recovered_at is None and waited >= recovery.healthy_for:
        if look and checks.recovered(run.spec, status, look):
            status.times.recovered_at = run.now
            run.condition("Recovered", "True", "Healthy")
            run.note("Recovered", f"as healthy as before for {recovery.healthy_for:g} s")
        elif waited > recovery.timeout:
            status.message = f"{status.message.removesuffix(ILL)}{ILL}"
            run.condition("Recovered", "False", "Timeout")
            run.end(Phase.FAILED, "NotRecovered")
    if status.times.recovered_at is not None:
        run.end(Phase.SUCCEEDED, "Complete")


PHASES: Mapping[Phase, Callable[[Step], None]] = {
    Phase.PENDING: _pending,
    Phase.ROLLING_OUT: _rolling_out,
    Phase.ANALYZING: _analyzing,
    Phase.ROLLING_BACK: _rolling_back,
    Phase.RECOVERING: _recovering,
}
