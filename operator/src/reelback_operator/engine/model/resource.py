"""SentryScenario, reelback.dev/v1alpha1: its manifest as a model, with its spec and its status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from reelback_operator.engine.model.spec import Check, Evidence, Spec, Verdict
from reelback_operator.engine.model.status import ENDS, Condition, Event, Phase, Status

__all__ = [
    "API_VERSION",
    "ENDS",
    "KIND",
    "Condition",
    "Event",
    "Phase",
    "Scenario",
    "Spec",
    "SpecError",
    "Status",
    "Verdict",
]

API_VERSION = "reelback.dev/v1alpha1"
KIND = "SentryScenario"


class SpecError(ValueError):
    """A scenario that cannot be run. The message names the field as the YAML does, one line a problem."""


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


_TYPES = frozenset(
    name
    for union in (Check, Evidence)
    for kind in get_args(get_args(union)[0])
    for name in get_args(kind.model_fields["type"].annotation)
)
_PLAINER = {"missing": "is missing", "extra_forbidden": "is not a known field"}


def _lines(error: ValidationError) -> list[str]:
    """One line a problem, `spec.analysis.checks[0].max: ...`."""
    lines = []
    for problem in error.errors(include_url=False, include_input=False):
        path = ""
        for part in problem["loc"]:
            if isinstance(part, int):
                path += f"[{part}]"
            elif part not in _TYPES:  # pydantic's name of the member of the union, not a field
                path += f".{part}" if path else part
        message = _PLAINER.get(problem["type"]) or problem["msg"].removeprefix("Value error, ")
        lines.append(f"{path}: {message}")
    return lines
