"""SentryScenario, reelback.dev/v1alpha1: what a user may ask for and what the operator writes down.

The YAML's names are camelCase; durations are strings (`500ms`, `2s`, `3m`) and seconds once read; decimals may be
strings, because Kubernetes' own tools do not agree on floats.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

API_VERSION = "reelback.dev/v1alpha1"
KIND = "SentryScenario"

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")

_SEMVER = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")


class SpecError(ValueError):
    """A scenario that cannot be run. The message names the field as the YAML does, one line a problem."""


def _read_duration(value: object) -> object:
    if isinstance(value, float):  # a model built in Python
        return value
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError(f"must be a duration like 500ms, 2s or 3m, not {value!r}")
    return float(match[1]) * _SECONDS[match[2]]


def _write_duration(seconds: float) -> str:
    return f"{round(seconds * 1000)}ms" if seconds % 1 else f"{round(seconds)}s"


def _dns_label(value: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", value):
        raise ValueError(f"must be a name of lower-case letters, digits and '-', not {value!r}")
    return value


def _variable(name: str) -> str:
    if name == "SENTRY_RELEASE":
        raise ValueError("must not set SENTRY_RELEASE, which follows from the version")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
        raise ValueError(f"must be the name of a variable, not {name!r}")
    return name


def _version(value: str) -> str:
    # Sentry's "resolved in the next release" needs releases of the form service@semver.
    if len(value) > 100 or not _SEMVER.fullmatch(value):
        raise ValueError(f"must be a semantic version like 1.5.0, not {value!r}")
    return value


def _different(field: str, names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise ValueError(f"{field} must have different names")


Duration = Annotated[
    float, BeforeValidator(_read_duration), Field(gt=0), PlainSerializer(_write_duration, return_type=str)
]
Name = Annotated[str, AfterValidator(_dns_label)]


class _Spec(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="forbid", frozen=True)


class _Status(BaseModel):
    # A status may come from a newer operator: what is not known here is let go.
    model_config = ConfigDict(alias_generator=to_camel, validate_by_name=True, extra="ignore")


class Target(_Spec):
    """A workload that takes part in the release."""

    name: Name


class Patch(_Spec):
    """What the release changes beside its version: the image, variables, or both."""

    image: str | None = Field(default=None, min_length=1)
    env: dict[Annotated[str, AfterValidator(_variable)], str] = {}


class Strategy(_Spec):
    """How the candidate is brought in: beside the old release (Canary) or in its place (Replace)."""

    type: Literal["Canary", "Replace"] = "Canary"
    replicas: int = Field(default=1, ge=1, le=100, description="instances of the candidate; Canary only")


class Release(_Spec):
    """The change: `<target>@<version>` in every target, rolled out and rolled back together."""

    version: Annotated[str, AfterValidator(_version)]
    targets: list[Target] = Field(min_length=1, max_length=10)
    patch: Patch = Patch()
    strategy: Strategy = Strategy()

    @model_validator(mode="after")
    def _targets_once(self) -> Self:
        _different("targets", [target.name for target in self.targets])
        return self


class Load(_Spec):
    """Players that run while the scenario does."""

    rps: float = Field(gt=0, le=10_000)


class ErrorRateCheck(_Spec):
    """The candidate's share of failed requests.

    Sequential compares with the baseline and is false at most `alpha` of the time, however often it looks; a
    candidate up to `minRatio` times as bad is tolerated. Threshold compares with `max` (a share, 0 to 1).
    """

    type: Literal["ErrorRate"]
    name: Name
    method: Literal["Sequential", "Threshold"] = "Sequential"
    alpha: float = Field(default=0.001, gt=0, le=0.1)
    min_ratio: float = Field(default=1.5, ge=1, le=10)
    max: float | None = Field(default=None, gt=0, lt=1)
    consecutive_failures: int = Field(default=3, ge=1, le=100)

    @model_validator(mode="after")
    def _threshold_has_max(self) -> Self:
        if (self.method == "Threshold") != (self.max is not None):
            raise ValueError("max goes with method Threshold, and Threshold needs it")
        return self


class NewIssueCheck(_Spec):
    """An issue that Sentry saw first in the candidate, at least `minEvents` times."""

    type: Literal["NewIssue"]
    name: Name
    min_events: int = Field(default=1, ge=1, le=10_000)


class LatencyCheck(_Spec):
    """The candidate's 95th percentile of duration, above `max` so many looks in a row."""

    type: Literal["LatencyP95"]
    name: Name
    method: Literal["Threshold"] = "Threshold"
    max: Duration
    consecutive_failures: int = Field(default=3, ge=1, le=100)


Check = Annotated[ErrorRateCheck | NewIssueCheck | LatencyCheck, Field(discriminator="type")]
_CHECK_TYPES = frozenset({"ErrorRate", "NewIssue", "LatencyP95"})


class Analysis(_Spec):
    """How the candidate is watched."""

    interval: Duration = 2.0
    deadline: Duration = 180.0
    on_no_data: Literal["Inconclusive", "Rollback", "Ignore"] = "Inconclusive"
    consecutive_error_limit: int = Field(default=4, ge=1, le=100)
    checks: list[Check] = Field(min_length=1, max_length=10)

    @model_validator(mode="after")
    def _checks_once(self) -> Self:
        if self.interval > self.deadline:
            raise ValueError("interval must not be longer than deadline")
        _different("checks", [check.name for check in self.checks])
        if len(self._sequential()) > 1:
            raise ValueError("checks must not have more than one of method Sequential")
        return self

    def _sequential(self) -> list[ErrorRateCheck]:
        return [check for check in self.checks if isinstance(check, ErrorRateCheck) and check.method == "Sequential"]

    @property
    def tolerated_ratio(self) -> float:
        """How many times the baseline's error rate still counts as the same."""
        return next((check.min_ratio for check in self._sequential()), 1.5)


class Rollback(_Spec):
    """Whether a regression is rolled back at once, when a person says so, or never (a dry run)."""

    mode: Literal["Auto", "Manual", "Never"] = "Auto"


class Recovery(_Spec):
    """When the workload counts as well again after a rollback."""

    healthy_for: Duration = 10.0
    timeout: Duration = 120.0


class Verdict(StrEnum):
    """What became of the candidate."""

    ROLLED_BACK = "RolledBack"
    PROMOTED = "Promoted"
    INCONCLUSIVE = "Inconclusive"
    ERROR = "Error"


class Expect(_Spec):
    """What this scenario shall end with: a scenario is also a test."""

    verdict: Verdict
    max_time_to_detect: Duration | None = None
    max_mttr: Duration | None = Field(default=None, alias="maxMTTR")


class Spec(_Spec):
    """What the user asks for."""

    run_id: str = Field(default="1", min_length=1, max_length=63)
    release: Release
    load: Load | None = None
    analysis: Analysis
    rollback: Rollback = Rollback()
    recovery: Recovery = Recovery()
    expect: Expect | None = None

    def release_of(self, target: str) -> str:
        """The candidate's Sentry release in a target, `payment@1.5.0`."""
        return f"{target}@{self.release.version}"


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


class CheckStatus(_Status):
    """What a check last saw. `failures` counts looks above the limit in a row; `detail` says value and rule."""

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
    load: bool = Field(default=False, description="whether players were started and not ended yet")
    changing_since: datetime | None = Field(default=None, description="when the change that is on was asked for")
    looked_at: datetime | None = Field(default=None, description="the last time that Sentry was asked")
    failed_looks: int = Field(default=0, description="times in a row that Sentry did not answer")
    problem: str = Field(default="", description="what last did not work, empty once it did")
    aborted: bool = Field(default=False, description="whether the run ends because somebody else changed a target")

    @property
    def complete(self) -> bool:
        """Whether the run has ended."""
        return self.phase in ENDS

    def to_json(self) -> dict[str, Any]:
        """The status as it stands in the resource: camelCase, times as RFC 3339, nothing that is None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Scenario(BaseModel):
    """One SentryScenario."""

    name: str
    namespace: str = ""
    generation: int = 1
    annotations: Mapping[str, str] = {}
    spec: Spec
    status: Status = Status()

    @classmethod
    def load(cls, manifest: Mapping[str, Any]) -> Scenario:
        """A scenario from its manifest (parsed YAML). Raises SpecError."""
        if manifest.get("apiVersion") != API_VERSION:
            raise SpecError(f"apiVersion: must be {API_VERSION}, not {manifest.get('apiVersion')!r}")
        if manifest.get("kind") != KIND:
            raise SpecError(f"kind: must be {KIND}, not {manifest.get('kind')!r}")
        metadata = manifest.get("metadata") or {}
        if not isinstance(metadata, Mapping) or not metadata.get("name"):
            raise SpecError("metadata.name: is missing")
        try:
            return cls(
                name=metadata["name"],
                namespace=metadata.get("namespace") or "",
                generation=metadata.get("generation") or 1,
                annotations=metadata.get("annotations") or {},
                spec=manifest.get("spec") or {},
                status=manifest.get("status") or Status(),
            )
        except ValidationError as error:
            raise SpecError("\n".join(_lines(error))) from None


_PLAINER = {"missing": "is missing", "extra_forbidden": "is not a known field"}


def _lines(error: ValidationError) -> list[str]:
    """One line a problem, `spec.analysis.checks[0].max: ...`."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        path = ""
        for part in problem["loc"]:
            if isinstance(part, int):
                path += f"[{part}]"
            elif part not in _CHECK_TYPES:  # pydantic's name of the member of the union, not a field
                path += f".{part}" if path else part
        message = _PLAINER.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
        lines.append(f"{path}: {message}")
    return lines
