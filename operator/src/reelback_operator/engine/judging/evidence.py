"""What Sentry has to show of a scenario: an issue, a trace, a span, crashed sessions, a function. Found is found."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from reelback_operator.engine.model.observations import Look, Sighting
from reelback_operator.engine.model.spec import (
    Evidence,
    IssueEvidence,
    ProfileFunctionEvidence,
    SessionsEvidence,
    SpanEvidence,
    Spec,
    TraceEvidence,
)
from reelback_operator.engine.model.status import EvidenceStatus, Status
from reelback_operator.engine.model.words import milliseconds, percent

# Less than this of a thread is no profile of it: a process that ends sends what little it has.
PROFILED_SECONDS = 5.0


def wanted(spec: Spec, status: Status) -> tuple[Evidence, ...]:
    """What is looked for: nothing of browsers where no player has one."""
    return tuple(each for each in spec.analysis.evidence if status.browsers or not each.in_browsers)


def missing(spec: Spec, status: Status) -> tuple[Evidence, ...]:
    """What is still to be found."""
    found = {evidence.name for evidence in status.evidence if evidence.outcome == "Found"}
    return tuple(evidence for evidence in wanted(spec, status) if evidence.name not in found)


def evaluate(spec: Spec, status: Status, look: Look, now: datetime, since: datetime | None) -> None:
    """Bring `status.evidence` up to a look. Times run from `since`; they have not begun when that is None."""
    before = {evidence.name: evidence for evidence in status.evidence}
    status.evidence = []
    for evidence in wanted(spec, status):
        known = before.get(evidence.name) or EvidenceStatus(name=evidence.name)
        if known.outcome != "Found":
            known = _judge(evidence, look.evidence.get(evidence.name, ()))
            if known.outcome == "Found":
                known.found_at = now
            elif since is not None and (now - since).total_seconds() > evidence.within:
                known.outcome = "Missing"
                known.detail += f", not within {evidence.within:g} s"
        status.evidence.append(known)


def _judge(evidence: Evidence, sightings: Sequence[Sighting]) -> EvidenceStatus:
    """The sighting that is what was looked for; else what is wrong with the last one."""
    problem, seen = "nothing seen", None
    for seen in sightings:
        problem = _problem(evidence, seen)
        if not problem:
            return EvidenceStatus(
                name=evidence.name, outcome="Found", detail=f"{evidence.name}: {seen.what}", url=seen.url
            )
    return EvidenceStatus(name=evidence.name, detail=f"{evidence.name}: {problem}", url=seen.url if seen else None)


def _problem(evidence: Evidence, seen: Sighting) -> str:
    """Why a sighting is not what is looked for, or nothing."""
    match evidence:
        case IssueEvidence():
            if seen.groups > evidence.max_groups:
                return f"{seen.groups} issues, at most {evidence.max_groups} may be"
            return _fewer(seen.count, evidence.min_events, "events")
        case SessionsEvidence():
            return _fewer(seen.count, evidence.crashed, "crashed sessions")
        case SpanEvidence():
            return _span_problem(evidence, seen)
        case ProfileFunctionEvidence():
            return _function_problem(evidence, seen)
        case TraceEvidence():
            return _trace_problem(evidence, seen)


def _span_problem(evidence: SpanEvidence, seen: Sighting) -> str:
    if evidence.repeated:
        return _fewer(seen.count, evidence.repeated, "spans in one trace")
    limit = evidence.slower_than or 0.0
    return "" if seen.seconds > limit else f"{milliseconds(seen.seconds)}, not more than {milliseconds(limit)}"


def _function_problem(evidence: ProfileFunctionEvidence, seen: Sighting) -> str:
    if seen.seconds < PROFILED_SECONDS:
        return f"{seen.seconds:.1f} s of its thread were profiled, {PROFILED_SECONDS:g} s are needed"
    return "" if seen.share >= evidence.min_share else f"{seen.what}, less than {percent(evidence.min_share)}"


def _trace_problem(evidence: TraceEvidence, seen: Sighting) -> str:
    order = iter(seen.services)
    if absent := [service for service in evidence.services if service not in seen.services]:
        return f"a trace without {', '.join(absent)}"
    if not all(service in order for service in evidence.services):
        return f"a trace in the order {', '.join(seen.services)}"
    if seen.orphans:
        return f"a trace with {seen.orphans} spans without their parent"
    return "" if seen.seconds <= evidence.max_duration else f"a trace of {milliseconds(seen.seconds)}"


def _fewer(count: int, least: int, what: str) -> str:
    return "" if count >= least else f"{count} of at least {least} {what}"
