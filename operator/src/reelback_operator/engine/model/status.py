"""What the operator writes down: the status of a SentryScenario."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

from reelback_operator.engine.model.spec import Verdict


class _Status(BaseModel):
    # A status may come from a newer operator: what is not known here is let go.
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="ignore")


class Phase(StrEnum):
    """Where a run is. The last three are its ends."""

    PENDING = "Pending"
    ROLLING_OUT = "RollingOut"
    ANALYZING = "Analyzing"
    ROLLING_BACK = "RollingBack"
    RECOVERING = "Recovering"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ABORTED = "Aborted"


ENDS = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.ABORTED})


class Times(_Status):
    """When things happened, UTC. A run starts when it has its targets to itself."""

    applied_at: datetime | None = None
    started_at: datetime | None = None
    rolling_out_at: datetime | None = None
    serving_at: datetime | None = None
    first_error_at: datetime | None = None
    detected_at: datetime | None = None
    rolled_back_at: datetime | None = None
    recovered_at: datetime | None = None


class Durations(_Status):
    """How long things took, in seconds."""

    time_to_detect_seconds: float | None = None
    rollback_seconds: float | None = None
    mttr_seconds: float | None = None


class Counts(_Status):
    """Requests and how many of them failed (or were slow, or crashed). Never more failures than requests."""

    requests: int = Field(default=0, ge=0)
    failures: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.failures > self.requests:
            raise ValueError(f"{self.failures} failures in {self.requests} requests are impossible")
        return self


class Judged(_Status):
    """What a check has judged of one target, and where it goes on.

    `known` and `history` are what the candidate's release and the old one had served before the candidate came.
    `candidate` and `baseline` are the totals up to which was judged, at `judged_at` for the last time. `evidence` is
    the detector's memory. `fallen` counts looks in a row whose totals were lower than that.
    """

    known: Counts = Counts()
    history: Counts = Counts()
    candidate: Counts = Counts()
    baseline: Counts = Counts()
    begun_at: datetime
    judged_at: datetime | None = None
    evidence: list[float] = []
    fallen: int = 0


class TargetStatus(_Status):
    """One target: what it was before the run, and what the checks have judged of it, by their names.

    `before` and `after` are the digests of the template without and with the release; what is in it is not here, for
    a variable's value is nobody else's business. `in_place` says whether the target itself was asked to take it,
    `there` whether the release has been seen in its place, `resets` how often somebody took it away again. `served` is
    what the old release has served until the rollback, some minutes before the run included.
    """

    name: str
    old_release: str
    new_release: str
    before: str = ""
    after: str = ""
    in_place: bool = False
    there: bool = False
    resets: int = 0
    served: Counts = Counts()
    judged: dict[str, Judged] = {}


class FaultStatus(_Status):
    """One target of a fault, and where the fault is: asked for, on in every instance, gone again.

    `before` is the pre-image: the variable with the faults as it was, None when there was none. `during` is the
    variable with the fault in it. `template` is the digest of the rest of the target's template.
    """

    target: str
    release: str
    template: str = ""
    before: str | None = None
    during: str
    asked_at: datetime | None = None
    serving_at: datetime | None = None
    gone_at: datetime | None = None


class CheckStatus(_Status):
    """What a check last saw. `failures` counts looks out of bounds in a row; `detail` says value and rule.

    `judged_until` is the end of the last window in which it judged anything, `missing` why it cannot vouch for the
    candidate as of the last look, empty when it can. `noticeable` is the lowest share of failures that it would have
    noticed nine times in ten.
    """

    name: str
    outcome: Literal["Running", "NoData", "Passed", "Failed"] = "Running"
    value: str | None = None
    baseline: str | None = None
    evidence: float | None = None
    samples: int = 0
    failures: int = 0
    detail: str = ""
    judged_until: datetime | None = None
    noticeable: float | None = None
    missing: str = ""

    @property
    def vouches(self) -> bool:
        """Whether it has judged data up to the last look, and found nothing."""
        return self.outcome in ("Running", "Passed") and self.judged_until is not None and not self.missing


class EvidenceStatus(_Status):
    """What was found of an evidence: it stays Found once it was, and is Missing when its time is over."""

    name: str
    outcome: Literal["Running", "Found", "Missing"] = "Running"
    detail: str = ""
    url: str | None = None
    found_at: datetime | None = None


class Lateness(_Status):
    """How late requests come to be known by Sentry, measured: a window that has passed is counted again and again.

    `end` is where that window ends, `counts` what it held by release; `age` is its age in seconds at the last look,
    `grew` that at which it last grew, `seconds` the largest such age of the run.
    """

    end: datetime | None = None
    counts: dict[str, int] = {}
    age: float = 0.0
    grew: float = 0.0
    seconds: float = 0.0


class SentryStatus(_Status):
    """What the run wrote to Sentry, and where to look there."""

    releases: list[str] = []
    deploys: list[str] = []
    issue_url: str | None = Field(default=None, alias="issueURL")
    trace_url: str | None = Field(default=None, alias="traceURL")


class Event(_Status):
    """One line of the timeline; `event` is a CamelCase reason, as in Kubernetes Events."""

    at: datetime
    event: str
    detail: str = ""


class Run(_Status):
    """How an earlier run ended."""

    run_id: str
    verdict: Verdict
    time_to_detect_seconds: float | None = None
    mttr_seconds: float | None = None


ConditionType = Literal["RolledOut", "RegressionDetected", "Recovered", "Complete"]


class Condition(_Status):
    """metav1.Condition."""

    type: ConditionType
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str = ""
    last_transition_time: datetime
    observed_generation: int = 0


class Status(_Status):
    """What the operator writes down, and all it remembers: a restarted operator goes on from here."""

    observed_generation: int = 0
    run_id: str | None = None
    phase: Phase = Phase.PENDING
    verdict: Verdict | None = None
    expectation: Literal["Met", "NotMet"] | None = None
    message: str = ""
    times: Times = Times()
    durations: Durations = Durations()
    checks: list[CheckStatus] = []
    evidence: list[EvidenceStatus] = []
    sentry: SentryStatus = SentryStatus()
    timeline: list[Event] = []
    history: list[Run] = []
    conditions: list[Condition] = []
    targets: list[TargetStatus] = []
    faults: list[FaultStatus] = []
    ailing_since: datetime | None = Field(default=None, description="when the looks began that some check fails")
    well_since: datetime | None = Field(default=None, description="when the looks began that every check is well")
    lateness: Lateness = Lateness()
    load: bool = Field(default=False, description="whether players were started and not ended yet")
    browsers: int = Field(default=0, description="how many of the players play in a browser")
    claimed: bool = Field(default=False, description="whether the targets are this run's alone")
    window: float = Field(default=0.0, description="seconds of requests that recovery is judged by; 0 for healthyFor")
    progress: str = Field(default="", description="what the targets looked like when they last looked otherwise")
    progress_at: datetime | None = Field(default=None, description="when that was")
    changing_since: datetime | None = Field(default=None, description="when the change that is on was asked for")
    ending_since: datetime | None = Field(default=None, description="when the run began to end")
    looked_at: datetime | None = Field(default=None, description="the last time that Sentry was asked")
    blind_since: datetime | None = Field(default=None, description="when the targets were last seen, if they are not")
    failed_looks: int = Field(default=0, description="times in a row that Sentry did not answer")
    problem: str = Field(default="", description="what last did not work, empty once it did")
    aborted: bool = Field(default=False, description="whether the run ends because somebody else changed a target")
    refused: bool = Field(default=False, description="whether it ends before anything was done; runId is not used up")

    @property
    def complete(self) -> bool:
        """Whether the run has ended."""
        return self.phase in ENDS

    def promote(self) -> None:
        """Call the candidate healthy. ValueError unless every check has judged data up to the last look."""
        if not self.checks or not all(check.vouches for check in self.checks):
            raise ValueError("no promotion without checks that have judged data up to the last look")
        for check in self.checks:
            check.outcome = "Passed"
        self.verdict = Verdict.PROMOTED

    def to_json(self) -> dict[str, Any]:
        """The status as it stands in the resource: camelCase, times as RFC 3339, nothing that is None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
