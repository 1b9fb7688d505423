"""What Sentry shows of what a scenario looks for: issues, traces, spans, crashed sessions, functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from reelback_operator.engine.model.observations import Sighting
from reelback_operator.engine.model.spec import (
    Evidence,
    IssueEvidence,
    ProfileFunctionEvidence,
    SessionsEvidence,
    SpanEvidence,
    TraceEvidence,
)
from reelback_operator.engine.model.words import milliseconds, percent
from reelback_operator.sentry.api import STRANGE, Api, SentryError, number, parsed, quoted, rows, whole
from reelback_operator.sentry.counts import Counter, Window

# The newest traces that are looked at in one look.
TRACES = 4
# What a function took itself, in nanoseconds.
_PROFILES, _SELF_TIME = "profile_functions", "sum(function.self_time)"


class Witness:
    """Looks for evidence in one environment."""

    def __init__(self, api: Api, counter: Counter, organization_url: str) -> None:
        """`organization_url` is where a browser finds the organization, with a slash at its end."""
        self._api = api
        self._counter = counter
        self._url = organization_url

    async def look_for(self, evidence: Evidence, window: Window) -> Sequence[Sighting]:
        """What is there of it. Raises SentryError."""
        match evidence:
            case IssueEvidence():
                return await self._issue(evidence, window)
            case TraceEvidence():
                return await self._traces(evidence, window)
            case SpanEvidence():
                return await self._span(evidence, window)
            case SessionsEvidence():
                return await self._sessions(evidence, window)
            case ProfileFunctionEvidence():
                return await self._function(evidence, window)

    async def _issue(self, evidence: IssueEvidence, window: Window) -> list[Sighting]:
        terms = [_of(evidence.service)]
        if evidence.error:
            terms.append(f"error.type:{quoted(evidence.error)}")
        if evidence.transaction:
            terms.append(f"transaction:{quoted(evidence.transaction)}")
        terms += [f"tags[{name}]:{quoted(value)}" for name, value in evidence.tags.items()]
        fields = ["issue.id", "title", "timestamp"]
        order = {"sort": "-timestamp", "per_page": "100"}
        found = await self._counter.events("errors", fields, " ".join(terms), window, order)
        if not found:
            return []
        groups = {str(row["issue.id"]) for row in found}
        what = (
            f"{len(found)} events in {len(groups)} {'issue' if len(groups) == 1 else 'issues'}, {found[0]['title']!r}"
        )
        return [
            Sighting(count=len(found), groups=len(groups), what=what, url=f"{self._url}issues/{found[0]['issue.id']}/")
        ]

    async def _traces(self, evidence: TraceEvidence, window: Window) -> list[Sighting]:
        query = f"is_transaction:true transaction:{quoted(evidence.root)}"
        order = {"sort": "-timestamp", "per_page": "40"}
        found = await self._counter.events("spans", ["trace", "timestamp"], query, window, order, partly=True)
        # The newest are still being sent.
        ids = list(dict.fromkeys(str(row["trace"]) for row in found))[-TRACES:]
        return [await self._trace(trace) for trace in ids]

    async def _trace(self, trace: str) -> Sighting:
        roots = rows(await self._api.call("GET", f"trace/{trace}/"))
        spans = [span for span in _all(roots) if "start_timestamp" in span and "children" in span]
        if not spans:
            return Sighting(what="an empty trace")
        spans.sort(key=lambda span: _seconds(span["start_timestamp"]))
        services = tuple(dict.fromkeys(service_of(span) for span in spans))
        begun = _seconds(spans[0]["start_timestamp"])
        seconds = max(_seconds(span.get("end_timestamp") or span["start_timestamp"]) for span in spans) - begun
        orphans = sum(1 for root in roots if "children" in root) - 1
        what = f"{len(spans)} spans of {len(services)} services ({', '.join(services)}) in {milliseconds(seconds)}"
        return Sighting(
            seconds=seconds, services=services, orphans=orphans, what=what, url=f"{self._url}performance/trace/{trace}/"
        )

    async def _span(self, evidence: SpanEvidence, window: Window) -> list[Sighting]:
        query = f"{_of(evidence.service)} span.description:{quoted(evidence.span)}"
        if evidence.repeated:
            fields, by = ["trace", "count()"], "-count()"
        else:
            fields, by = ["trace", "span.duration"], "-span.duration"
            query += f" span.duration:>{1000 * (evidence.slower_than or 0.0):g}ms"
        found = await self._counter.events("spans", fields, query, window, {"sort": by, "per_page": "1"}, partly=True)
        if not found:
            return []
        url = f"{self._url}performance/trace/{found[0]['trace']}/"
        if evidence.repeated:
            count = whole(found[0], "count()")
            return [Sighting(count=count, what=f"{evidence.span} {count} times in one trace", url=url)]
        seconds = number(found[0], "span.duration") / 1000
        return [Sighting(count=1, seconds=seconds, what=f"{evidence.span} took {milliseconds(seconds)}", url=url)]

    async def _sessions(self, evidence: SessionsEvidence, window: Window) -> list[Sighting]:
        crashed = await self._counter.crashed(window, evidence.service)
        return [Sighting(count=crashed, what=f"{crashed} crashed sessions of {evidence.service}")]

    async def _function(self, evidence: ProfileFunctionEvidence, window: Window) -> list[Sighting]:
        of_service, order = _of(evidence.service), {"sort": f"-{_SELF_TIME}", "per_page": "1"}
        query = f"{of_service} function:{quoted(evidence.function)}"
        hot = await self._counter.events(_PROFILES, ["thread.id", _SELF_TIME], query, window, order, partly=True)
        if not hot:
            return []
        # Profiles are of the wall clock: among idle threads, a busy one would be lost in the sum of all.
        query = f"{of_service} thread.id:{quoted(str(hot[0]['thread.id']))}"
        whole_thread = await self._counter.events(_PROFILES, [_SELF_TIME], query, window, partly=True)
        if not whole_thread:
            return []
        took, seconds = number(hot[0], _SELF_TIME) / 1e9, number(whole_thread[0], _SELF_TIME) / 1e9
        share = min(took / seconds, 1.0) if seconds > 0 else 0.0
        what = f"{evidence.function} took {percent(share)} of {seconds:.0f} s of its thread"
        return [Sighting(seconds=seconds, share=share, what=what)]


def _of(service: str) -> str:
    return f'release:"{service}@*"'


def _all(spans: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for span in spans:
        yield span
        yield from _all(span.get("children") or [])


def service_of(span: Mapping[str, Any]) -> str:
    """The service of a span in a trace as Sentry shows it."""
    attributes = span.get("additional_attributes") or {}
    return str(attributes.get("service.name") or str(attributes.get("release") or "").partition("@")[0])


def _seconds(value: object) -> float:
    """Seconds since 1970 of a time that is a number, or a text."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        moment: datetime = parsed(value)
        return moment.timestamp()
    raise SentryError(STRANGE)
