"""The phases of a scenario with a release: brought in, watched, and promoted or taken back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from reelback_operator.engine.judging import checks, lateness, rates
from reelback_operator.engine.judging.limits import MIN_SAMPLES
from reelback_operator.engine.model.actions import SetLoad
from reelback_operator.engine.model.observations import Look, Question
from reelback_operator.engine.model.spec import Verdict
from reelback_operator.engine.model.status import Counts, Phase
from reelback_operator.engine.model.workload import PATIENCE
from reelback_operator.engine.phases import faults, targets
from reelback_operator.engine.phases.run import ILL, Step

# A baseline that served so many requests is history enough; it is waited for no longer than so many seconds.
HISTORY_REQUESTS = 500
HISTORY_SECONDS = 30.0

_WAITING = "; waiting for the annotation reelback.dev/approve-rollback: "


def _pending(run: Step) -> None:
    """Check the targets, write down what they are like, start the players, wait until the baseline has a history."""
    status, look, asked = run.status, run.look, run.seen.asked
    if not targets.prepared(run):
        return
    waited = run.seconds_since(status.times.started_at)
    if status.verdict:  # given up, and the players are on their way out: not to be started again
        run.end(Phase.FAILED, "Failed")
    elif run.spec.load and not status.load:
        run.actions.append(SetLoad(run.spec.load.rps, run.spec.load.browsers))
        status.message = f"waiting for the players: {status.problem}" if status.problem else ""
        if waited > PATIENCE:
            _nothing_done(run, f"the players did not start: {status.problem}")
    elif run.sentry_is_gone:
        _nothing_done(run, status.problem)
    elif stranger := targets.stranger(run) if run.seen.workloads is not None else "":
        _nothing_done(run, stranger)
    elif look is not None and asked is not None:
        status.message = ""
        _past(run, look, asked)
        least = min(target.served.requests for target in status.targets)
        if least >= HISTORY_REQUESTS or waited > HISTORY_SECONDS:
            status.times.rolling_out_at = run.now
            run.enter(Phase.ROLLING_OUT, "RollingOut", f"the baseline has a history of {least} requests")


def _nothing_done(run: Step, why: str) -> None:
    run.status.verdict, run.status.message = Verdict.ERROR, f"nothing was rolled out: {why}"
    run.end(Phase.FAILED, "Failed")


def _past(run: Step, look: Look, asked: Question) -> None:
    """Take in what was served before the candidate: it is not judged by that."""
    rates.begin(run.spec.analysis.checks, run.status.targets, look, asked.end)
    _keep_up(run, look, asked)


def _keep_up(run: Step, look: Look, asked: Question) -> None:
    """Take in what every look tells: how late requests are, and what the old release has served."""
    lateness.measure(run.status.lateness, asked, look, run.now, run.spec.analysis.interval)
    for target in run.status.targets:
        target.served = look.traffic.get(target.old_release, target.served)


def _rolling_out(run: Step) -> None:
    """Bring the candidate in; or, once it is promoted, put it in place of the old release."""
    status = run.status
    run.mark()
    if status.times.detected_at is not None:  # and a person is waited for
        _regression(run)
    elif status.ending_since is not None:  # all is in place
        run.end(Phase.SUCCEEDED, "Promoted")
    else:
        if run.seen.workloads is not None:
            _bring_in(run)
        if status.phase == Phase.ROLLING_OUT and status.ending_since is None:
            _wait(run)


def _bring_in(run: Step) -> None:
    """Ask for the release until it serves, unless somebody or something is against it."""
    status = run.status
    promoted = status.verdict == Verdict.PROMOTED
    serving = targets.serve(run, in_place=promoted)
    if stranger := targets.stranger(run):
        run.abort(stranger)
    elif broken := targets.broken(run):
        _broken(run, broken)
    elif promoted and serving and faults.take_back(run):
        run.end(Phase.SUCCEEDED, "Promoted")
    elif serving and not promoted:
        status.times.serving_at = run.now
        run.condition("RolledOut", "True", "Serving")
        run.enter(Phase.ANALYZING, "Serving", ", ".join(target.new_release for target in status.targets))


def _wait(run: Step) -> None:
    """Take in what is served until the release serves, and give up where nothing changes any more."""
    status, look, asked = run.status, run.look, run.seen.asked
    if look is not None and asked is not None and status.verdict is None:
        if targets.present(run):
            _keep_up(run, look, asked)
        else:
            _past(run, look, asked)
    if run.stalled <= run.patience:
        return
    releases = ", ".join(target.new_release for target in status.targets)
    message = targets.not_changed(run, releases)
    if run.seen.workloads is None or run.seen.platform_problem or status.problem:
        _give_up(run, Verdict.ERROR, message)
    else:
        _broken(run, message)


def _analyzing(run: Step) -> None:
    """Look, and decide: roll back, promote, or look again."""
    status = run.status
    run.mark()
    if status.verdict is not None:  # a dry run that is over
        _dry_run(run)
        return
    serving = False
    if run.seen.workloads is not None:
        serving = targets.serve(run, in_place=False)
        if stranger := targets.stranger(run):
            run.abort(stranger)
            return
    if status.times.detected_at is not None:  # and a person is waited for
        _regression(run)
    elif broken := targets.broken(run):
        _broken(run, broken)
    elif run.blind:
        _give_up(run, Verdict.ERROR, f"the targets cannot be seen: {run.seen.platform_problem}")
    elif run.sentry_is_gone:
        _give_up(run, Verdict.ERROR, f"{status.failed_looks} times in a row: {status.problem}")
    elif stuck := faults.stuck(run):
        _give_up(run, Verdict.ERROR, targets.not_changed(run, stuck))
    elif run.look is not None and run.seen.asked is not None:
        _judge(run, run.look, run.seen.asked, serving=serving)
    if status.phase == Phase.ANALYZING and status.verdict is None:
        faults.drive(run)


def _judge(run: Step, look: Look, asked: Question, *, serving: bool) -> None:
    """Take in a look: a regression, the deadline, or neither."""
    status, spec = run.status, run.spec
    serving_at = status.times.serving_at or asked.end
    if spec.analysis.warm_up and asked.end < serving_at + timedelta(seconds=spec.analysis.warm_up):
        _past(run, look, asked)
        return
    run.first_failure(look, status.times.rolling_out_at)
    _keep_up(run, look, asked)
    checks.evaluate(spec, status, look, asked.end)
    failed = [check.detail for check in status.checks if check.outcome == "Failed"]
    if failed:
        issue = checks.attribution(status.targets, look)
        status.sentry.issue_url = issue.url if issue else None
        new = [f"new issue {issue.title!r}, {issue.events} events"] if issue else []
        run.detected("; ".join([*failed, *new]))
        _regression(run)
    elif (asked.end - serving_at).total_seconds() >= spec.analysis.deadline and run.seen.workloads is not None:
        missing = [check.missing for check in status.checks if check.missing]
        if not serving:
            missing.append("the candidate does not serve as it should")
        _deadline(run, missing)


def _deadline(run: Step, missing: list[str]) -> None:
    """Nothing was found until the deadline: the candidate is healthy if every check has judged data up to now."""
    status = run.status
    if missing:
        rolled_back = run.spec.analysis.on_no_data == "Rollback"
        message = f"not judged until the deadline: {'; '.join(missing)}"
        _give_up(run, Verdict.ROLLED_BACK if rolled_back else Verdict.INCONCLUSIVE, message)
        return
    status.promote()
    for target in status.targets:
        target.there = False
    least = max((check.noticeable for check in status.checks if check.noticeable is not None), default=None)
    noticed = [f"{100 * least:.2g} % or more would have been noticed"] if least is not None else []
    status.message = "; ".join([*(check.detail for check in status.checks), *noticed])
    run.enter(Phase.ROLLING_OUT, "Promoting", status.message)


def _broken(run: Step, problem: str) -> None:
    """Roll back a release whose instances do not run, whatever its requests say: those that crash send none."""
    run.detected(problem, "RolloutFailed")
    _regression(run)


def _regression(run: Step) -> None:
    """Roll back what has failed, unless a person has to say so first."""
    status, approval = run.status, f"{_WAITING}{run.status.run_id}"
    message = status.message.removesuffix(approval)
    if run.spec.rollback.mode != "Manual" or run.seen.approved == status.run_id:
        _give_up(run, Verdict.ROLLED_BACK, message)
    elif message == status.message:
        status.message += approval
        run.note("WaitingForApproval", f"annotate the scenario with reelback.dev/approve-rollback={status.run_id}")


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
        if run.stalled > run.patience or status.ending_since:
            targets.left(run)
    elif status.verdict == Verdict.ROLLED_BACK:
        run.enter(Phase.RECOVERING, "Recovering")
    else:
        run.end(Phase.ABORTED if status.aborted else Phase.FAILED, "Aborted" if status.aborted else "Failed")


def _recovering(run: Step) -> None:
    """Watch the old release until it is as healthy as it was before."""
    status, recovery, look, asked = run.status, run.spec.recovery, run.look, run.seen.asked
    run.mark()
    if status.times.recovered_at is None and look is not None and asked is not None:
        run.first_failure(look, status.times.rolling_out_at)
        seconds = (asked.end - asked.start).total_seconds()
        if seconds >= recovery.healthy_for and checks.recovered(run.spec, status, look):
            status.times.recovered_at = run.now
            run.condition("Recovered", "True", "Healthy")
            run.note("Recovered", f"as healthy as before for {seconds:g} s")
        elif any(look.traffic.get(target.old_release, Counts()).requests < MIN_SAMPLES for target in status.targets):
            # Little traffic says little in a short time: the next look is at a longer one.
            status.window = min(2 * (status.window or recovery.healthy_for), recovery.timeout)
    waited = run.seconds_since(status.times.rolled_back_at) - lateness.allowance(status)
    if status.times.recovered_at is not None:
        run.end(Phase.SUCCEEDED, "Complete")
    elif waited > recovery.timeout:
        status.message = f"{status.message.removesuffix(ILL)}{ILL}"
        run.condition("Recovered", "False", "Timeout")
        run.end(Phase.FAILED, "NotRecovered")


PHASES: Mapping[Phase, Callable[[Step], None]] = {
    Phase.PENDING: _pending,
    Phase.ROLLING_OUT: _rolling_out,
    Phase.ANALYZING: _analyzing,
    Phase.ROLLING_BACK: _rolling_back,
    Phase.RECOVERING: _recovering,
}
