"""What the operator writes down: the status of a SentryScenario."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from reelback_operator.engine.spec import Verdict


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
    """When things happened, UTC."""

    applied_at: datetime | None = None
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
    """Requests and how many of them failed."""

    requests: int = 0
    failures: int = 0


class TargetStatus(_Status):
    """One target: what it served before the run, and the detector's memory of it.

    `image`, `env` and `added` are the pre-image: what the patch changes, as it was, and the variables that were not
    there. `evidence` holds the logarithm of the likelihood ratio of each alternative, up to the counts in `candidate`
    and `baseline`.
    """

    name: str
    old_release: str
    new_release: str
    image: str | None = None
    env: dict[str, str] = {}
    added: list[str] = []
    history: Counts = Counts()
    candidate: Counts = Counts()
    baseline: Counts = Counts()
    evidence: list[float] = []


class FaultStatus(_Status):
    """One target of a fault, and where the fault is: asked for, on in every instance, gone again.

    `before` is the pre-image: the variable with the faults as it was, None when there was none. `during` is the
    variable with the fault in it.
    """

    target: str
    release: str
    before: str | None = None
    during: str
    asked_at: datetime | None = None
    serving_at: datetime | None = None
    gone_at: datetime | None = None


class CheckStatus(_Status):
    """What a check last saw. `failures` counts looks out of bounds in a row; `detail` says value and rule."""

    name: str
    outcome: Literal["Running", "NoData", "Passed", "Failed"] = "Running"
    value: str | None = None
    baseline: str | None = None
    evidence: float | None = None
    samples: int = 0
    failures: int = 0
    detail: str = ""


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
    sentry: SentryStatus = SentryStatus()
    timeline: list[Event] = []
    history: list[Run] = []
    conditions: list[Condition] = []
    targets: list[TargetStatus] = []
    faults: list[FaultStatus] = []
    ailing_since: datetime | None = Field(default=None, description="when the looks began that some check fails")
    well_since: datetime | None = Field(default=None, description="when the looks began that every check is well")
    load: bool = Field(default=False, description="whether players were started and not ended yet")
    changing_since: datetime | None = Field(default=None, description="when the change that is on was asked for")
    looked_at: datetime | None = Field(default=None, description="the last time that Sentry was asked")
    failed_looks: int = Field(default=0, description="times in a row that Sentry did not answer")
    problem: str = Field(default="", description="what last did not work, empty once it did")
    aborted: bool = Field(default=False, description="whether the run ends because somebody else changed a target")

    @property
    def workloads(self) -> list[str]:
        """The names of all workloads that take part."""
        return [*(target.name for target in self.targets), *(fault.target for fault in self.faults)]

    @property
    def complete(self) -> bool:
        """Whether the run has ended."""
        return self.phase in ENDS

    def to_json(self) -> dict[str, Any]:
        """The status as it stands in the resource: camelCase, times as RFC 3339, nothing that is None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
