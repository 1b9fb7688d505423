"""The phases of a scenario without a release: what already runs is watched, and faults come and go meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from reelback_operator.engine.judging import checks, evidence
from reelback_operator.engine.model.actions import SetLoad
from reelback_operator.engine.model.spec import Verdict
from reelback_operator.engine.model.status import Phase
from reelback_operator.engine.model.workload import PATIENCE
from reelback_operator.engine.phases import faults, targets
from reelback_operator.engine.phases.run import ILL, Step

# Players that have just come are not in the figures yet. They are waited for no longer than so many seconds.
ARRIVAL_SECONDS = 30.0


def _pending(run: Step) -> None:
    """Check the targets of the faults, write down what they are like, start the players, wait until all is well."""
    status = run.status
    if not targets.prepared(run):
        return
    waited = run.seconds_since(status.times.started_at)
    if status.verdict is not None:  # the players are on their way out
        _finish(run)
    elif run.spec.load and not status.load:
        run.actions.append(SetLoad(run.spec.load.rps, run.spec.load.browsers))
        status.message = f"waiting for the players: {status.problem}" if status.problem else ""
        if waited > PATIENCE:
            _conclude(run, Verdict.ERROR, f"the players did not start: {status.problem}")
    elif run.sentry_is_gone:
        _sentry_gone(run)
    elif _take_in(run):
        status.message = ""
        if status.well_since or waited > ARRIVAL_SECONDS:
            status.checks, status.ailing_since = [], None
            run.enter(Phase.ANALYZING, "Watching", f"for {run.spec.analysis.deadline:g} s")


def _analyzing(run: Step) -> None:
    """Look, and let the faults come and go, until something failed and may get well again, or the deadline."""
    status = run.status
    if status.verdict is not None:  # the players are on their way out
        _finish(run)
    elif run.seen.workloads is not None and (stranger := targets.stranger(run)):
        run.abort(stranger)
    elif run.blind:
        _conclude(run, Verdict.ERROR, f"the targets cannot be seen: {run.seen.platform_problem}")
    elif run.sentry_is_gone:
        _sentry_gone(run)
    elif _take_in(run):
        _decide(run)
    if status.phase != Phase.ANALYZING or status.verdict is not None:
        return
    # What ails before cannot be told from what a fault does, so the first one waits until all is well.
    faults.drive(run, begin=status.well_since is not None or status.times.detected_at is not None)
    if stuck := faults.stuck(run):
        _conclude(run, Verdict.ERROR, targets.not_changed(run, stuck))
    elif status.times.detected_at is not None and faults.over(status):
        run.enter(Phase.RECOVERING, "Recovering")


def _take_in(run: Step) -> bool:
    """Bring the checks up to a look, if there is one, and since when they are well or fail."""
    status, look, asked = run.status, run.look, run.seen.asked
    if look is None or asked is None:
        return False
    run.first_failure(look, min((fault.asked_at for fault in status.faults if fault.asked_at), default=None))
    checks.evaluate(run.spec, status, look, asked.end)
    if status.phase == Phase.ANALYZING:
        evidence.evaluate(run.spec, status, look, run.now, _expected_since(run))
    ailing = any(check.failures for check in status.checks)
    status.ailing_since = (status.ailing_since or run.now) if ailing else None
    well = not ailing and all(check.vouches and check.outcome == "Running" for check in status.checks)
    status.well_since = (status.well_since or run.now) if well else None
    return True


def _decide(run: Step) -> None:
    """Notice what failed, or that the deadline has passed; what was noticed before is waited for."""
    status = run.status
    if status.times.detected_at is not None:
        return
    if run.spec.analysis.evidence:
        _decide_by_evidence(run)
        return
    failed = [check.detail for check in status.checks if check.outcome == "Failed"]
    if failed:
        status.times.first_error_at = status.times.first_error_at or status.ailing_since
        run.detected("; ".join(failed))
        if not any(fault.asked_at for fault in status.faults):
            _conclude(run, Verdict.FAILED, status.message)
    elif run.seconds_since(status.changing_since) >= run.spec.analysis.deadline:
        _deadline(run)


def _expected_since(run: Step) -> datetime | None:
    """Since when evidence may be expected: none before every fault is on."""
    serving = [fault.serving_at for fault in run.status.faults]
    moments = [moment for moment in (run.status.changing_since, *serving) if moment]
    return max(moments) if moments and all(serving) else None


def _decide_by_evidence(run: Step) -> None:
    """End the run when all was found, when the time of some is over, or at the deadline."""
    status = run.status
    for found in status.evidence:
        if found.found_at == run.now:
            run.note("EvidenceFound", found.detail)
    links = {wanted.name: wanted.type for wanted in run.spec.analysis.evidence}
    for found in status.evidence:
        if links[found.name] == "Trace":
            status.sentry.trace_url = status.sentry.trace_url or found.url
        if links[found.name] == "Issue":
            status.sentry.issue_url = status.sentry.issue_url or found.url
    said = "; ".join(found.detail for found in status.evidence)
    over = run.seconds_since(status.changing_since) >= run.spec.analysis.deadline
    if status.evidence and all(found.outcome == "Found" for found in status.evidence):
        _conclude(run, Verdict.PASSED, said)
    elif over or any(found.outcome == "Missing" for found in status.evidence):
        _conclude(run, Verdict.FAILED, said)


def _deadline(run: Step) -> None:
    """Nothing failed until the deadline: all is well if everything was seen, and no fault was there to be noticed."""
    status = run.status
    said = "; ".join(check.detail for check in status.checks)
    missing = [check.missing for check in status.checks if check.missing]
    if missing:
        verdict = Verdict.FAILED if run.spec.analysis.on_no_data == "Rollback" else Verdict.INCONCLUSIVE
        _conclude(run, verdict, f"not judged until the deadline: {'; '.join(missing)}")
    elif not all(fault.serving_at for fault in status.faults):
        _conclude(run, Verdict.INCONCLUSIVE, f"not every fault was on before the deadline: {said}")
    elif status.faults:
        _conclude(run, Verdict.FAILED, f"no check noticed the faults: {said}")
    else:
        _conclude(run, Verdict.PASSED, said)


def _rolling_back(run: Step) -> None:
    """Take the faults back before they are over, in every target at once."""
    if targets.take_back(run):
        _finish(run)
    elif run.stalled > run.patience:
        targets.left(run)


def _recovering(run: Step) -> None:
    """Watch until every check has been well for so long since the last fault was gone."""
    status, recovery = run.status, run.spec.recovery
    waited = min(run.seconds_since(fault.gone_at) for fault in status.faults)
    if status.verdict is not None:
        _finish(run)
        return
    if run.sentry_is_gone:
        _sentry_gone(run)
        return
    _take_in(run)
    if status.well_since and min(waited, run.seconds_since(status.well_since)) >= recovery.healthy_for:
        status.times.recovered_at = run.now
        run.condition("Recovered", "True", "Healthy")
        run.note("Recovered", f"every check was well for {recovery.healthy_for:g} s")
        _conclude(run, Verdict.RECOVERED, status.message)
    elif waited > recovery.timeout:
        run.condition("Recovered", "False", "Timeout")
        _conclude(run, Verdict.FAILED, f"{status.message}{ILL}")


def _sentry_gone(run: Step) -> None:
    message = f"{run.status.failed_looks} times in a row: {run.status.problem}"
    _conclude(run, Verdict.ERROR, message)


def _conclude(run: Step, verdict: Verdict, message: str) -> None:
    """End the run with this verdict, once no fault is on any more."""
    run.status.verdict, run.status.message = verdict, message
    if faults.any_on(run.status):
        run.enter(Phase.ROLLING_BACK, "RollingBack", message)
    else:
        _finish(run)


def _finish(run: Step) -> None:
    """End the run as its verdict says."""
    status = run.status
    if status.aborted:
        run.end(Phase.ABORTED, "Aborted")
    elif status.verdict in (Verdict.PASSED, Verdict.RECOVERED):
        for check in status.checks:
            check.outcome = "Passed" if check.outcome == "Running" else check.outcome
        run.end(Phase.SUCCEEDED, "Complete")
    else:
        run.end(Phase.FAILED, "Failed")


PHASES: Mapping[Phase, Callable[[Step], None]] = {
    Phase.PENDING: _pending,
    Phase.ANALYZING: _analyzing,
    Phase.ROLLING_BACK: _rolling_back,
    Phase.RECOVERING: _recovering,
}
