"""What a user may ask for: the spec of a SentryScenario.

The YAML's names are camelCase; durations are strings (`500ms`, `2s`, `3m`) and seconds once read; decimals may be
strings, because Kubernetes' own tools do not agree on floats.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from reelback_operator.engine.model.fields import (
    Decimal,
    Duration,
    FaultKey,
    MetricName,
    Name,
    TagName,
    Unit,
    Value,
    Variable,
    Version,
)
from reelback_operator.engine.model.workload import RELEASE_VARIABLE


class _Spec(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True)


class ReleaseFrom(_Spec):
    """Where a target's release is to be read, when it is not in SENTRY_RELEASE: one of these.

    `variable` is another variable of the container, and the one that a candidate's release is written to. Where the
    value is no `name@version`, it is the version, and the target's name is put before it.
    """

    variable: Variable | None = None
    image_tag: Literal[True] | None = None
    label: str | None = Field(default=None, min_length=1, description="of the pod template")
    annotation: str | None = Field(default=None, min_length=1, description="of the pod template")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(bool(each) for each in (self.variable, self.image_tag, self.label, self.annotation)) != 1:
            raise ValueError("needs exactly one of variable, imageTag, label, annotation")
        return self


class Target(_Spec):
    """A workload that takes part in the release.

    `container` is the one that serves; without it the one named like the target, or the only one. `project` is the
    slug of its project in Sentry, where that is not the operator's.
    """

    name: Name
    container: Name | None = None
    release_from: ReleaseFrom | None = None
    project: str | None = Field(default=None, min_length=1, max_length=100)

    @property
    def variable(self) -> str:
        """The variable that a candidate's release is written to."""
        return (self.release_from and self.release_from.variable) or RELEASE_VARIABLE


class Patch(_Spec):
    """What the release changes beside its version: the image, variables, or both."""

    image: str | None = Field(default=None, min_length=1)
    env: dict[Variable, Value] = {}


class Commit(_Spec):
    """A commit that the release brings, for Sentry: it names whoever changed a file in which an error arose."""

    id: str = Field(min_length=1, max_length=64)
    message: str = Field(min_length=1, max_length=1000)
    author: str = Field(min_length=1, max_length=128)
    email: str = Field(min_length=1, max_length=200)
    files: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field(default=[], max_length=10)


class Strategy(_Spec):
    """How the candidate is brought in: beside the old release (Canary) or in its place (Replace)."""

    type: Literal["Canary", "Replace"] = "Canary"
    replicas: int = Field(default=1, ge=1, le=100, description="instances of the candidate; Canary only")


class Release(_Spec):
    """The change: `<target>@<version>` in every target, rolled out and rolled back together."""

    version: Version
    targets: list[Target] = Field(min_length=1, max_length=10)
    patch: Patch = Patch()
    commits: list[Commit] = Field(default=[], max_length=10)
    strategy: Strategy = Strategy()

    @model_validator(mode="after")
    def _targets_once(self) -> Self:
        _different("targets", [target.name for target in self.targets])
        return self

    def of(self, target: str) -> str:
        """The candidate's Sentry release in a target, `payment@1.5.0`."""
        return f"{target}@{self.version}"


class Fault(_Spec):
    """Faults switched on in what `target` already runs, for a while.

    `after` counts from the start of the analysis, `duration` from when they are on in every instance.
    """

    target: Name
    values: dict[FaultKey, Annotated[Decimal, Field(ge=0)]] = Field(min_length=1, max_length=20)
    after: Duration
    duration: Duration


class Load(_Spec):
    """Players that run while the scenario does: `rps` requests a second, and so many browsers beside them."""

    rps: float = Field(gt=0, le=10_000)
    browsers: int = Field(default=0, ge=0, le=20)


class _Sequential(_Spec):
    """A share of the candidate's, compared with the baseline's by a test that may be looked at whenever one likes.

    It is false at most `alpha` of the time; a candidate up to `minRatio` times as bad is tolerated.
    """

    name: Name
    alpha: float = Field(default=0.001, gt=0, le=0.1)
    min_ratio: float = Field(default=1.5, ge=1, le=10)


class ErrorRateCheck(_Sequential):
    """The candidate's share of failed requests: against the baseline's (Sequential), or `max`, 0 to 1 (Threshold)."""

    type: Literal["ErrorRate"]
    method: Literal["Sequential", "Threshold"] = "Sequential"
    max: float | None = Field(default=None, gt=0, lt=1)
    consecutive_failures: int = Field(default=3, ge=1, le=100)

    @model_validator(mode="after")
    def _threshold_has_max(self) -> Self:
        if (self.method == "Threshold") != (self.max is not None):
            raise ValueError("max goes with method Threshold, and Threshold needs it")
        return self


class SlowRateCheck(_Sequential):
    """The candidate's share of requests that took longer than `slowerThan`."""

    type: Literal["SlowRate"]
    slower_than: Duration


class CrashFreeSessionsCheck(_Sequential):
    """The candidate's share of sessions that crashed; of browsers', that had an error which nobody caught."""

    type: Literal["CrashFreeSessions"]


class NewIssueCheck(_Sequential):
    """Events of issues that Sentry saw first in the candidate, against all error events of the baseline.

    An old error that only moved makes a new issue, and no more events than before: it is not a regression. The issue
    needs `minEvents` at least.
    """

    type: Literal["NewIssue"]
    min_events: int = Field(default=1, ge=1, le=10_000)


class LatencyCheck(_Spec):
    """The candidate's 95th percentile of duration, above `max` so many looks in a row, and the old one's not."""

    type: Literal["LatencyP95"]
    name: Name
    method: Literal["Threshold"] = "Threshold"
    max: Duration
    consecutive_failures: int = Field(default=3, ge=1, le=100)


class MetricCheck(_Spec):
    """A figure of the platform's own, out of its bounds so many looks in a row.

    Each look asks Sentry for the `aggregate` of what was sent in the last `window`. Without `unit` any unit counts.
    """

    type: Literal["Metric"]
    name: Name
    metric: MetricName
    kind: Literal["gauge", "counter", "distribution"]
    unit: Unit | None = None
    aggregate: Literal["avg", "sum", "min", "max", "count"] = "avg"
    window: Duration = 10.0
    min: Decimal | None = None
    max: Decimal | None = None
    consecutive_failures: int = Field(default=3, ge=1, le=100)

    @model_validator(mode="after")
    def _has_bounds(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("needs min, max or both")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min must not be more than max")
        return self


SequentialCheck = ErrorRateCheck | SlowRateCheck | CrashFreeSessionsCheck | NewIssueCheck
Check = Annotated[SequentialCheck | LatencyCheck | MetricCheck, Field(discriminator="type")]


class _Evidence(_Spec):
    """Something that Sentry has to show `within` a time: since the watching began, or every fault has been on.

    What is `inBrowsers` is looked for only where some of the players have one. `project` is the slug of the project in
    Sentry, where that is not the operator's.
    """

    name: Name
    within: Duration = 60.0
    in_browsers: bool = False
    project: str | None = Field(default=None, min_length=1, max_length=100)


class IssueEvidence(_Evidence):
    """Error events of a service, of a type of error or with tags, in at most `maxGroups` issues."""

    type: Literal["Issue"]
    service: Name
    error: str | None = Field(default=None, min_length=1, max_length=200)
    transaction: str | None = Field(default=None, min_length=1, max_length=200)
    tags: dict[TagName, Annotated[str, Field(max_length=200)]] = Field(default={}, max_length=10)
    min_events: int = Field(default=1, ge=1, le=100)
    max_groups: int = Field(default=1, ge=1, le=100)

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if not (self.error or self.transaction or self.tags):
            raise ValueError("needs error, transaction or tags")
        return self


class TraceEvidence(_Evidence):
    """A trace that begins with the segment `root` and has these services in this order, no span without its parent,
    and no more than `maxDuration` from its start to its end."""

    type: Literal["Trace"]
    root: str = Field(min_length=1, max_length=200)
    services: list[Name] = Field(min_length=2, max_length=20)
    max_duration: Duration = 30.0


class SpanEvidence(_Evidence):
    """Spans of a service of this name: one that took longer than `slowerThan`, or `repeated` of them in one trace."""

    type: Literal["Span"]
    service: Name
    span: str = Field(min_length=1, max_length=200)
    slower_than: Duration | None = None
    repeated: int | None = Field(default=None, ge=2, le=1000)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.slower_than is None) == (self.repeated is None):
            raise ValueError("needs slowerThan or repeated")
        return self


class SessionsEvidence(_Evidence):
    """So many crashed sessions of a service, in the hour that it is: Sentry counts sessions by the hour."""

    type: Literal["Sessions"]
    service: Name
    crashed: int = Field(default=1, ge=1, le=1_000_000)


class ProfileFunctionEvidence(_Evidence):
    """A function of a service that takes `minShare` (0 to 1) of the time of the thread it runs in, by its profiles.

    Its own time, not that of what it calls; of its threads the one in which it takes most counts.
    """

    type: Literal["ProfileFunction"]
    service: Name
    function: str = Field(min_length=1, max_length=200)
    min_share: Decimal = Field(gt=0, le=1)


Evidence = Annotated[
    IssueEvidence | TraceEvidence | SpanEvidence | SessionsEvidence | ProfileFunctionEvidence,
    Field(discriminator="type"),
]


class Analysis(_Spec):
    """How the candidate, or what already runs, is watched, and for how long; `warmUp` is left out of that.

    `checks` have to hold; `evidence` has to be found, and then the run ends.
    """

    interval: Duration = 2.0
    warm_up: Duration | None = None
    deadline: Duration = 180.0
    on_no_data: Literal["Inconclusive", "Rollback"] = "Inconclusive"
    consecutive_error_limit: int = Field(default=4, ge=1, le=100)
    checks: list[Check] = Field(default=[], max_length=10)
    evidence: list[Evidence] = Field(default=[], max_length=10)

    @model_validator(mode="after")
    def _checks_once(self) -> Self:
        if bool(self.checks) == bool(self.evidence):
            raise ValueError("checks: needs either checks or evidence")
        if self.interval > self.deadline:
            raise ValueError("interval must not be longer than deadline")
        if (self.warm_up or 0.0) + self.interval > self.deadline:
            raise ValueError("warmUp must end an interval before the deadline at least")
        _different("checks", [check.name for check in self.checks])
        _different("evidence", [evidence.name for evidence in self.evidence])
        for index, evidence in enumerate(self.evidence):
            if evidence.within > self.deadline:
                raise ValueError(f"evidence[{index}].within: must not be longer than the deadline")
        return self

    @property
    def metrics(self) -> tuple[MetricCheck, ...]:
        """The checks of the platform's own figures."""
        return tuple(check for check in self.checks if isinstance(check, MetricCheck))

    @property
    def tolerated_ratio(self) -> float:
        """How many times the baseline's error rate still counts as the same."""
        return next((check.min_ratio for check in self.checks if isinstance(check, ErrorRateCheck)), 1.5)


class Rollback(_Spec):
    """Whether a regression is rolled back at once, when a person says so, or never (a dry run)."""

    mode: Literal["Auto", "Manual", "Never"] = "Auto"


class Recovery(_Spec):
    """When all counts as well again after a rollback, or after the faults were taken back."""

    healthy_for: Duration = 10.0
    timeout: Duration = 120.0


class Verdict(StrEnum):
    """What became of the candidate; where there is none, of what was watched."""

    ROLLED_BACK = "RolledBack"
    PROMOTED = "Promoted"
    PASSED = "Passed"
    RECOVERED = "Recovered"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


_OF_A_RELEASE = frozenset({Verdict.ROLLED_BACK, Verdict.PROMOTED})
_WITHOUT_ONE = frozenset({Verdict.PASSED, Verdict.RECOVERED, Verdict.FAILED})


class Expect(_Spec):
    """What this scenario shall end with: a scenario is also a test."""

    verdict: Verdict
    max_time_to_detect: Duration | None = None
    max_mttr: Duration | None = Field(default=None, alias="maxMTTR")


class Spec(_Spec):
    """What the user asks for: a release, faults in what already runs, or only to watch."""

    run_id: str = Field(default="1", min_length=1, max_length=63)
    release: Release | None = None
    faults: list[Fault] = Field(default=[], max_length=10)
    load: Load | None = None
    analysis: Analysis
    rollback: Rollback = Rollback()
    recovery: Recovery = Recovery()
    expect: Expect | None = None

    @property
    def targets(self) -> tuple[Target, ...]:
        """All workloads that take part, by name."""
        released = self.release.targets if self.release else []
        faulty = [Target(name=fault.target) for fault in self.faults]
        return tuple(sorted([*released, *faulty], key=lambda target: target.name))

    @model_validator(mode="after")
    def _faults_fit(self) -> Self:
        _different("faults", [fault.target for fault in self.faults], "targets")
        released = {target.name for target in self.release.targets} if self.release else set()
        for index, fault in enumerate(self.faults):
            if fault.target in released:
                raise ValueError(f"faults[{index}].target: {fault.target} is a target of the release, too")
            if fault.after + fault.duration > self.analysis.deadline:
                raise ValueError(f"faults[{index}].duration: must end before analysis.deadline")
        return self

    @model_validator(mode="after")
    def _judges_what_there_is(self) -> Self:
        if self.expect and self.expect.verdict in (_WITHOUT_ONE if self.release else _OF_A_RELEASE):
            there = "there is" if self.release else "there is no"
            raise ValueError(f"expect.verdict: {self.expect.verdict} cannot come of it where {there} release")
        if self.release and self.analysis.evidence:
            raise ValueError("analysis.evidence: goes with no release")
        if self.release is None:
            if "rollback" in self.model_fields_set:
                raise ValueError("rollback: goes with a release")
            if len(self.analysis.metrics) < len(self.analysis.checks):
                raise ValueError("analysis.checks: must be of type Metric where there is no release")
        return self


def _different(field: str, names: list[str], what: str = "names") -> None:
    if len(set(names)) < len(names):
        raise ValueError(f"{field} must have different {what}")
