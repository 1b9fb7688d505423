"""What a release served, by Sentry's own count: requests, failures, slow ones, sessions, error events.

Counts are asked for as they were counted. Where clients sample, Sentry otherwise multiplies them by the sampling
weight, and what is multiplied is no number of trials any more. A release that has no row was not seen; a row without a
figure is an error.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from reelback_operator.engine.model.observations import Latency
from reelback_operator.engine.model.spec import SlowRateCheck
from reelback_operator.engine.model.status import Counts
from reelback_operator.sentry.api import Api, SentryError, any_of, iso, number, rows, whole

# What failure_count() does not count as failed.
# Warnings are no failures: security events, alerts of the business and slow work are sent as such.
ERRORS = "level:[error,fatal]"
# An error that nobody caught ends a process, and not a page: sessions of browsers have a word of their own for it.
_CRASHED = ("crashed", "unhandled")
_PASSED = "[ok,cancelled,unknown]"
_P95 = "p95(span.duration)"
_RAW = "disableAggregateExtrapolation"
_HOUR = timedelta(hours=1)
# The share of requests that are sent to Sentry changes with a team's settings, not with a request.
SAMPLING_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Window:
    """Releases of one project in [start, end)."""

    project: str
    releases: tuple[str, ...]
    start: datetime
    end: datetime

    def until(self, end: datetime) -> Window:
        """The same with another end."""
        return replace(self, end=end)

    def since(self, start: datetime) -> Window:
        """The same with another start."""
        return replace(self, start=start)

    def back(self, seconds: float) -> Window:
        """The last so many seconds of it."""
        return replace(self, start=self.end - timedelta(seconds=seconds))

    @property
    def hours(self) -> Window:
        """The whole hours around it: sessions are counted by the hour."""
        start = self.start.replace(minute=0, second=0, microsecond=0)
        end = self.end.replace(minute=0, second=0, microsecond=0)
        return replace(self, start=start, end=end if end == self.end else end + _HOUR)


class Counter:
    """Counts in one environment."""

    def __init__(self, api: Api, environment: str) -> None:
        self._api = api
        self._environment = environment
        self._has_failure_count = True
        self._sampled: dict[str, tuple[float, float]] = {}

    async def spans(
        self, window: Window, slow: Sequence[SlowRateCheck]
    ) -> tuple[dict[str, Counts], dict[str, dict[str, Counts]]]:
        """Requests and failures by release, and slow requests by check and release, from segment spans."""
        query = _segments(window)
        slower = {check.name: f"count_if(span.duration,greater,{1000 * check.slower_than:g})" for check in slow}
        fields = ["release", "count()", *sorted(set(slower.values()))]
        found, failures = await self._with_failures(fields, query, window)
        requests = {str(row["release"]): whole(row, "count()") for row in found}
        traffic = {
            release: Counts(requests=count, failures=failures.get(release, 0))
            for release, count in requests.items()
            if count
        }
        slowed = {
            name: {
                str(row["release"]): Counts(requests=whole(row, "count()"), failures=whole(row, field))
                for row in found
                if whole(row, "count()")
            }
            for name, field in slower.items()
        }
        return traffic, slowed

    async def _with_failures(
        self, fields: Sequence[str], query: str, window: Window
    ) -> tuple[list[dict[str, Any]], dict[str, int]]:
        if self._has_failure_count:
            try:
                found = await self.events("spans", [*fields, "failure_count()"], query, window)
            except SentryError as error:
                # Older Sentrys do not know it, or fail (getsentry/sentry#103965); two counts say the same.
                if error.status not in (400, 500):
                    raise
            else:
                return found, {str(row["release"]): whole(row, "failure_count()") for row in found if row["count()"]}
        # The failures first: what arrives in between is a request more, never a failure more than requests.
        bad = await self.events("spans", ["release", "count()"], f"{query} !span.status:{_PASSED}", window)
        found = await self.events("spans", fields, query, window)
        self._has_failure_count = False
        return found, {str(row["release"]): whole(row, "count()") for row in bad}

    async def requests(self, window: Window, source: str) -> dict[str, int]:
        """Requests alone."""
        if source != "spans":
            return {release: counts.requests for release, counts in (await self.sessions(window)).items()}
        found = await self.events("spans", ["release", "count()"], _segments(window), window)
        return {str(row["release"]): whole(row, "count()") for row in found}

    async def latency(self, window: Window) -> dict[str, Latency]:
        """The 95th percentile of the durations."""
        found = await self.events("spans", ["release", "count()", _P95], _segments(window), window)
        return {
            str(row["release"]): Latency(number(row, _P95) / 1000, whole(row, "count()"))
            for row in found
            if row.get("count()") and row.get(_P95) is not None
        }

    async def sampled(self, window: Window) -> dict[str, float]:
        """The share of a release's requests that its clients sent, where it is known; asked for once a minute."""
        now = time.monotonic()
        known = {
            release: share
            for release in window.releases
            if (entry := self._sampled.get(release)) and now - entry[0] < SAMPLING_SECONDS
            for share in [entry[1]]
        }
        if len(known) == len(window.releases):
            return known
        found = await self.events(
            "spans", ["release", "count()", "count_sample()"], _segments(window), window, {_RAW: "0"}
        )
        for row in found:
            weighed, counted = number(row, "count()"), number(row, "count_sample()")
            if weighed > 0 and counted > 0:
                self._sampled[str(row["release"])] = (now, min(counted / weighed, 1.0))
        return {release: self._sampled[release][1] for release in window.releases if release in self._sampled}

    async def errors_and_sessions(self, window: Window) -> dict[str, Counts]:
        """The same as from spans where none are sent: a session is a request, an error event a failed one."""
        sessions = await self.sessions(window)
        errors = await self.errors(window.hours) if sessions else {}
        return {
            release: Counts(requests=counts.requests, failures=min(errors.get(release, 0), counts.requests))
            for release, counts in sessions.items()
        }

    async def sessions(self, window: Window) -> dict[str, Counts]:
        """Sessions and crashed ones, of the whole hours around the window: Sentry answers for no others."""
        hours = window.hours
        parameters = {
            "field": "sum(session)",
            "groupBy": ["release", "session.status"],
            "query": f"release:{any_of(window.releases)}",
            "interval": "1h",
            **self._within(hours),
        }
        found: dict[str, Counts] = {}
        for group in rows(await self._api.call("GET", "sessions/", parameters), "groups"):
            release, count = str(group["by"]["release"]), whole(group["totals"], "sum(session)")
            before = found.get(release, Counts())
            crashed = count if group["by"]["session.status"] in _CRASHED else 0
            if count:
                found[release] = Counts(requests=before.requests + count, failures=before.failures + crashed)
        return found

    async def crashed(self, window: Window, service: str) -> int:
        """Crashed sessions of all releases of a service, of the whole hours around the window."""
        parameters = {
            "field": "sum(session)",
            "groupBy": ["release", "session.status"],
            "interval": "1h",
            **self._within(window.hours),
        }
        groups = rows(await self._api.call("GET", "sessions/", parameters), "groups")
        of_service = [group for group in groups if str(group["by"]["release"]).partition("@")[0] == service]
        return sum(
            whole(group["totals"], "sum(session)") for group in of_service if group["by"]["session.status"] in _CRASHED
        )

    async def errors(self, window: Window) -> dict[str, int]:
        """Error events."""
        query = f"release:{any_of(window.releases)} {ERRORS}"
        found = await self.events("errors", ["release", "count()"], query, window)
        return {str(row["release"]): whole(row, "count()") for row in found}

    async def events(
        self,
        dataset: str,
        fields: Sequence[str],
        query: str,
        window: Window,
        extra: Mapping[str, str] | None = None,
        *,
        partly: bool = False,
    ) -> list[dict[str, Any]]:
        """Rows of Sentry's `events/`. Raises SentryError, also when they are made of a part of the data unless that is
        enough: `partly`."""
        parameters: dict[str, str | Sequence[str]] = {
            "dataset": dataset,
            "field": fields,
            "query": query,
            _RAW: "1",
            "sampling": "HIGHEST_ACCURACY",
            **self._within(window),
            **(extra or {}),
        }
        answer = await self._api.call("GET", "events/", parameters)
        meta = answer.get("meta") if isinstance(answer, dict) else None
        if not partly and isinstance(meta, dict) and meta.get("dataScanned") == "partial":
            raise SentryError("Sentry answered from a part of its data only")
        return rows(answer, "data")

    def _within(self, window: Window) -> dict[str, str]:
        return {
            "project": window.project,
            "environment": self._environment,
            "start": iso(window.start),
            "end": iso(window.end),
        }


def _segments(window: Window) -> str:
    return f"is_transaction:true release:{any_of(window.releases)}"
