"""What people decide about an issue."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from reelback_minisentry.issues.issue import Issue


class StatusDetails(BaseModel):
    """How an issue is resolved."""

    model_config = ConfigDict(extra="forbid")
    inRelease: str | None = None
    inNextRelease: bool = False


class Decision(BaseModel):
    """The body of PUT /issues/{id}/."""

    status: Literal["resolved", "resolvedInNextRelease", "unresolved", "ignored"]
    statusDetails: StatusDetails = StatusDetails()


def stored(decision: Decision, issue: Issue, now: float) -> dict[str, Any]:
    """A decision with its time, as the store keeps it: events after it can overrule it."""
    decided: dict[str, Any] = {"status": decision.status, "at": now}
    if decision.status == "resolvedInNextRelease" or decision.statusDetails.inNextRelease:
        decided |= {"status": "resolved", "after": issue.last_release}
    elif decision.statusDetails.inRelease:
        decided["inRelease"] = decision.statusDetails.inRelease
    return decided
