"""One run of a scenario while a step is taken: the status to be, the actions, and how things are written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from reelback_operator.engine.model.actions import Action, GiveBack, MarkDeploy, MarkRelease, PutBack, RemoveLoad
from reelback_operator.engine.model.observations import Look, Observations
from reelback_operator.engine.model.spec import Release, Spec, Target, Verdict
from reelback_operator.engine.model.status import Condition, ConditionType, Event, Phase, Run, Status, TargetStatus
from reelback_operator.engine.model.workload import PATIENCE, Change, Workload

MAX_TIMELINE = 50
MAX_HISTORY = 10
# What a message ends with when nothing got well again.
ILL = "; recovered: no"
# How long a run that is over still tries to write a deploy to a Sentry that does not answer.
MARK_SECONDS = 10.0


def note(status: Status, now: datetime, event: str, detail: str = "") -> None:
    """Add a line to the timeline of a status."""
    status.timeline = [*status.timeline, Event(at=now, event=event, detail=detail)][-MAX_TIMELINE:]


@dataclass
class Step:
    """The step being taken. `status` is a copy that may be changed; `look` is Sentry's answer until it is taken in."""

    spec: Spec
    status: Status
    seen: Observations
    now: datetime
    actions: list[Action] = field(default_factory=list)
    look: Look | None = None

    @property
    def release(self) -> Release:
        """The change. Asked for only where there is one."""
        if self.spec.release is None:
            raise ValueError("spec.release: is missing")
        return self.spec.release

    def workload(self, name: str) -> Workload | None:
        """A target as the platform sees it now."""
        return (self.seen.workloads or {}).get(name)

    def target(self, name: str) -> Target:
        """What the spec says of a target. It is frozen while the run is on."""
        return next(target for target in self.spec.targets if target.name == name)

    def change(self, target: TargetStatus) -> Change:
        """The release, for this target."""
        patch = self.release.patch
        return Change(target.new_release, patch.image, patch.env)

    def put_back(self, target: TargetStatus) -> PutBack:
        """What takes the release back in this target."""
        known, patch = self.target(target.name), self.release.patch
        return PutBack(known, target.before, (known.variable, *patch.env), image=patch.image is not None)

    @property
    def patience(self) -> float:
        """How many seconds a change of the targets may go without visible progress."""
        workloads = (self.seen.workloads or {}).values()
        return max((workload.patience for workload in workloads if workload), default=PATIENCE)

    @property
    def stalled(self) -> float:
        """Seconds since the change that is on was asked for, or since the targets last looked otherwise."""
        status = self.status
        moments = [moment for moment in (status.changing_since, status.progress_at) if moment]
        return self.seconds_since(max(moments)) if moments else 0.0

    def seconds_since(self, time: datetime | None) -> float:
        """Seconds from then until now; 0 when there is no then."""
        return (self.now - time).total_seconds() if time else 0.0

    def note(self, event: str, detail: str = "") -> None:
        """Add a line to the timeline."""
        note(self.status, self.now, event, detail)

    def enter(self, phase: Phase, event: str, detail: str = "") -> None:
        """Go on to a phase."""
        self.status.phase = phase
        self.status.changing_since = self.now
        self.note(event, detail)

    def condition(
        self,
        kind: ConditionType,
        value: Literal["True", "False", "Unknown"],
        reason: str,
        message: str = "",
    ) -> None:
        """Set a condition; its transition time moves only when its status does."""
        conditions = {condition.type: condition for condition in self.status.conditions}
        before = conditions.get(kind)
        conditions[kind] = Condition(
            type=kind,
            status=value,
            reason=reason,
            message=message,
            last_transition_time=before.last_transition_time if before and before.status == value else self.now,
            observed_generation=self.status.observed_generation,
        )
        self.status.conditions = list(conditions.values())

    def mark(self) -> None:
        """Ask for what Sentry shall be told of the run and was not told yet."""
        status, times = self.status, self.status.times
        wanted: list[MarkRelease | MarkDeploy] = []
        applied = times.rolling_out_at or times.applied_at or self.now
        for target in status.targets if times.rolling_out_at else ():
            project = self.target(target.name).project
            wanted.append(MarkRelease(target.new_release, project, tuple(self.release.commits)))
            if times.serving_at:
                name = f"rollout of {target.new_release}"[:64]
                wanted.append(MarkDeploy(target.new_release, name, applied, times.serving_at, project))
            if times.rolled_back_at and not status.aborted:
                name = f"rollback from {target.new_release}"[:64]
                since = times.detected_at or applied
                wanted.append(MarkDeploy(target.old_release, name, since, times.rolled_back_at, project))
        done = {*status.sentry.releases, *status.sentry.deploys}
        for mark in wanted:
            if (mark.release if isinstance(mark, MarkRelease) else mark.label) not in done and mark not in self.actions:
                self.actions.append(mark)

    def end(self, phase: Phase, event: str) -> None:
        """End the run once the players are gone, the targets are given back and Sentry knows; or none of it helps."""
        status = self.status
        self.mark()
        status.ending_since = status.ending_since or self.now
        waited = self.seconds_since(status.ending_since)
        if status.load:
            self.actions.append(RemoveLoad())
        if status.claimed:
            self.actions.append(GiveBack(self.spec.targets))
        if (status.load or status.claimed) and waited <= PATIENCE:
            return
        if any(isinstance(action, MarkDeploy) for action in self.actions) and waited <= MARK_SECONDS:
            return
        if status.load or status.claimed:
            what = "the players could not be ended" if status.load else "the targets could not be given back"
            status.message += f"; {what}: {status.problem or self.seen.platform_problem}"
        self._complete(phase, event)

    def refuse(self, message: str) -> None:
        """End a run before anything was done. Its runId is not used up: the mended spec is run when it comes."""
        self.status.message, self.status.verdict, self.status.refused = message, Verdict.ERROR, True
        self.end(Phase.FAILED, "Refused")

    def _complete(self, phase: Phase, event: str) -> None:
        status = self.status
        self.measure()
        status.phase, status.changing_since, status.problem = phase, None, ""
        status.expectation = None if status.refused else self._expectation()
        if status.refused:
            status.run_id = None
        self.note(event, status.message)
        self.condition("Complete", "True", phase.value, status.message)
        if status.run_id and status.verdict:
            run = Run(
                run_id=status.run_id,
                verdict=status.verdict,
                time_to_detect_seconds=status.durations.time_to_detect_seconds,
                mttr_seconds=status.durations.mttr_seconds,
            )
            status.history = [*status.history, run][-MAX_HISTORY:]

    def abort(self, message: str) -> None:
        """End the run because a target is no longer what it was: take back what is ours, leave the rest alone."""
        self.status.aborted = True
        self.status.verdict, self.status.message = Verdict.INCONCLUSIVE, message
        self.enter(Phase.ROLLING_BACK, "Aborting", message)

    @property
    def sentry_is_gone(self) -> bool:
        """Whether Sentry did not answer so many times in a row that the run has to end."""
        return self.status.failed_looks >= self.spec.analysis.consecutive_error_limit

    @property
    def blind(self) -> bool:
        """Whether the targets could not be seen for so long that the run has to end."""
        return self.seconds_since(self.status.blind_since) > PATIENCE

    def first_failure(self, look: Look, since: datetime | None) -> None:
        """Note when the first request failed, as soon as Sentry knows; not before `since`, whatever clocks say."""
        failure, times = look.first_failure, self.status.times
        if failure and times.first_error_at is None:
            times.first_error_at = max(failure.at, since) if since else failure.at
            self.status.sentry.trace_url = failure.trace_url

    def detected(self, message: str, reason: str = "CheckFailed") -> None:
        """Note that the candidate, or what is watched, is bad, and why."""
        self.status.times.detected_at = self.now
        self.status.message = message
        self.condition("RegressionDetected", "True", reason, message)
        self.note("RegressionDetected" if reason == "CheckFailed" else reason, message)

    def measure(self) -> None:
        """Bring the durations up to the times. What never failed a request is bad since it serves."""
        times, durations = self.status.times, self.status.durations
        bad_since = times.first_error_at or times.serving_at
        durations.time_to_detect_seconds = _seconds(bad_since, times.detected_at)
        durations.rollback_seconds = _seconds(times.detected_at, times.rolled_back_at)
        durations.mttr_seconds = _seconds(bad_since, times.recovered_at)

    def _expectation(self) -> Literal["Met", "NotMet"] | None:
        expect, durations = self.spec.expect, self.status.durations
        if expect is None:
            return None
        met = (
            self.status.verdict == expect.verdict
            and _within(durations.time_to_detect_seconds, expect.max_time_to_detect)
            and _within(durations.mttr_seconds, expect.max_mttr)
            and not (self.status.verdict == Verdict.ROLLED_BACK and self.status.phase == Phase.FAILED)
        )
        return "Met" if met else "NotMet"


def _within(seconds: float | None, limit: float | None) -> bool:
    return limit is None or (seconds is not None and seconds <= limit)


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return max(0.0, round((end - start).total_seconds(), 3)) if start and end else None
