"""A client for the part of Sentry's API that a rollout needs: sentry.io, self-hosted and minisentry alike."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2

from reelback_operator.engine.observations import Failure, Issue, Look, Measurement, Question, Traffic
from reelback_operator.engine.spec import MetricCheck
from reelback_operator.engine.status import Counts

# For one request, and for one with its turn in the queue.
REQUEST_SECONDS = 10.0
CALL_SECONDS = 20.0
# The longest that a Retry-After is believed.
MAX_PAUSE = 300.0
_STRANGE = "Sentry's answer has not the shape that its API promises"
# What failure_rate() does not count as failed.
_PASSED = "[ok,cancelled,unknown]"


class SentryError(Exception):
    """Sentry did not answer, or not with what was asked for. The message is one line; `status` is that of HTTP."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Sentry:
    """One environment in one organization of one Sentry. An async context manager; one request is in flight."""

    def __init__(
        self, url: str, organization: str, project: str, token: str, environment: str, *, web_url: str = ""
    ) -> None:
        """`url` without a path: http://host:8090; `web_url` is where a browser finds the same, if not there."""
        self._url, self._web = url.rstrip("/"), (web_url or url).rstrip("/")
        self._organization = organization
        self._project = project
        self._environment = environment
        self._http = httpx2.AsyncClient(
            base_url=f"{url.rstrip('/')}/api/0/organizations/{organization}/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=REQUEST_SECONDS,
        )
        self._turn = asyncio.Lock()
        self._closed_until = 0.0
        self._has_failure_rate = True

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def look(self, question: Question) -> Look:
        """The answer to a question. Raises SentryError."""
        try:
            return await self._look(question)
        except (KeyError, TypeError, ValueError) as error:
            raise SentryError(f"{_STRANGE}: {error!r}") from None

    async def _look(self, question: Question) -> Look:
        source, traffic = "spans", {}
        if question.releases:
            traffic = await self._spans(question)
        if question.releases and not traffic:
            traffic = await self._errors_and_sessions(question)
            source = "errors and sessions" if traffic else source
        issues = {release: await self._issues(release) for release in question.issues_of}
        failures = [await self._first_failure(release, question) for release in question.first_failure_of]
        first = min((failure for failure in failures if failure), key=lambda failure: failure.at, default=None)
        found = {check.name: await self._metric(check, question) for check in question.metrics}
        metrics = {name: measurement for name, measurement in found.items() if measurement}
        return Look(traffic, issues, first, source, metrics)

    async def mark_release(self, release: str) -> None:
        """Make a release known; one that is already is left as it is. Raises SentryError."""
        await self._call("POST", "releases/", json={"version": release, "projects": [self._project]})

    async def mark_deploy(self, release: str, name: str, started: datetime, finished: datetime, url: str) -> None:
        """Make a deploy known, unless one of this name and end is; `url` may be empty. Raises SentryError."""
        await self.mark_release(release)
        path = f"releases/{quote(release, safe='')}/deploys/"
        for deploy in _rows(await self._call("GET", path)):
            if deploy.get("name") == name and _same_second(deploy.get("dateFinished"), finished):
                return
        body = {
            "environment": self._environment,
            "name": name,
            "dateStarted": _iso(started),
            "dateFinished": _iso(finished),
            **({"url": url} if url else {}),
        }
        await self._call("POST", path, json=body)

    async def _spans(self, question: Question) -> dict[str, Traffic]:
        """Requests, failures and P95 by release, counted from segment spans."""
        query = f"is_transaction:true release:{_any_of(question.releases)}"
        if self._has_failure_rate:
            try:
                fields = ["release", "count()", "failure_rate()", "p95(span.duration)"]
                return {
                    str(row["release"]): _traffic(row, round(_number(row, "failure_rate()") * _number(row, "count()")))
                    for row in await self._events("spans", fields, query, question)
                }
            except SentryError as error:
                # Self-hosted 25.11 fails here (getsentry/sentry#103965); two counts say the same.
                if error.status != 500:
                    raise
        fields = ["release", "count()", "p95(span.duration)"]
        rows = await self._events("spans", fields, query, question)
        bad = await self._events("spans", ["release", "count()"], f"{query} !span.status:{_PASSED}", question)
        self._has_failure_rate = False
        failures = {row["release"]: round(_number(row, "count()")) for row in bad}
        return {str(row["release"]): _traffic(row, failures.get(row["release"], 0)) for row in rows}

    async def _errors_and_sessions(self, question: Question) -> dict[str, Traffic]:
        """The same where no spans are sent: a session is a request, an error event a failed one."""
        wanted = f"release:{_any_of(question.releases)}"
        window = {"start": _iso(question.start), "end": _iso(question.end), "environment": self._environment}
        parameters = {**window, "field": "sum(session)", "groupBy": "release", "query": wanted, "interval": "1h"}
        answer = await self._call("GET", "sessions/", parameters)
        requests = {
            str(group["by"]["release"]): round(_number(group["totals"], "sum(session)"))
            for group in _rows(answer, "groups")
        }
        if not any(requests.values()):
            return {}
        rows = await self._events("errors", ["release", "count()"], wanted, question)
        failures = {row["release"]: round(_number(row, "count()")) for row in rows}
        return {
            release: Traffic(Counts(requests=count, failures=min(failures.get(release, 0), count)))
            for release, count in requests.items()
        }

    async def _issues(self, release: str) -> list[Issue]:
        """The issues that were first seen in a release."""
        parameters = {
            "query": f"first-release:{release}",
            "sort": "new",
            "limit": "25",
            "environment": self._environment,
        }
        return [
            Issue(
                str(row["title"]),
                str(row["permalink"]).replace(self._url, self._web, 1),
                int(row["count"]),
                _time(row["firstSeen"]),
            )
            for row in _rows(await self._call("GET", "issues/", parameters))
        ]

    async def _first_failure(self, release: str, question: Question) -> Failure | None:
        """The first error event of a release since the run began."""
        window = Question((), question.since, question.end + timedelta(seconds=1), question.since)
        fields = ["timestamp", "title", "issue.id", "trace", "release"]
        order = {"sort": "timestamp", "per_page": "1"}
        rows = await self._events("errors", fields, f"release:{release}", window, order)
        if not rows:
            return None
        trace = rows[0].get("trace")
        return Failure(
            _time(rows[0]["timestamp"]),
            f"{self._web}/organizations/{self._organization}/performance/trace/{trace}/" if trace else None,
        )

    async def _metric(self, check: MetricCheck, question: Question) -> Measurement | None:
        """A figure of the platform's own in its last window. Older Sentrys take one metric in a request."""
        # A unit of "-" is any; metrics without one have a name for that in newer Sentrys only.
        metric = f"(value,{check.metric},{check.kind},{check.unit or '-'})"
        value, count = f"{check.aggregate}{metric}", f"count{metric}"
        window = replace(question, start=question.end - timedelta(seconds=check.window))
        rows = await self._events("tracemetrics", sorted({value, count}), "", window)
        samples = round(_number(rows[0], count)) if rows else 0
        if not samples or rows[0].get(value) is None:
            return None
        return Measurement(_number(rows[0], value), samples)

    async def _events(
        self, dataset: str, fields: Sequence[str], query: str, window: Question, extra: Mapping[str, str] | None = None
    ) -> list[dict[str, Any]]:
        parameters: dict[str, str | Sequence[str]] = {
            "dataset": dataset,
            "field": fields,
            "query": query,
            "environment": self._environment,
            "start": _iso(window.start),
            "end": _iso(window.end),
            **(extra or {}),
        }
        return _rows(await self._call("GET", "events/", parameters), "data")

    async def _call(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str | Sequence[str]] | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> Any:
        """The JSON of an answer. Raises SentryError, at once while Sentry's rate limit lasts."""
        try:
            async with asyncio.timeout(CALL_SECONDS), self._turn:
                pause = self._closed_until - time.monotonic()
                if pause > 0:
                    raise SentryError(f"Sentry limits the rate of requests, for {pause:.0f} s more", 429)
                try:
                    response = await self._http.request(method, path, params=parameters, json=json)
                except (httpx2.ReadError, httpx2.RemoteProtocolError):
                    # Most likely a kept connection that the other side has closed: what only asks may ask again.
                    if method != "GET":
                        raise
                    response = await self._http.request(method, path, params=parameters)
                if response.is_success:
                    return response.json()
                if response.status_code == 429:
                    self._closed_until = time.monotonic() + _pause(response.headers)
                raise SentryError(_refusal(response), response.status_code)
        except (TimeoutError, httpx2.TimeoutException):
            raise SentryError(f"Sentry did not answer within {REQUEST_SECONDS:.0f} s ({path})") from None
        except httpx2.HTTPError as error:
            raise SentryError(f"Sentry cannot be reached: {str(error) or type(error).__name__}") from None
        except ValueError:
            raise SentryError(f"Sentry's answer is not JSON ({path})") from None


def _refusal(response: httpx2.Response) -> str:
    """One line on an answer that is not a success."""
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.reason_phrase
    status = response.status_code
    if status in (401, 403):
        return f"Sentry refuses the token ({status}): {detail}"
    if status == 429:
        return f"Sentry limits the rate of requests (429), for {_pause(response.headers):.0f} s"
    return f"Sentry answers {status} to {response.request.method} {response.request.url.path}: {detail}"


def _pause(headers: Mapping[str, str]) -> float:
    """Seconds until Sentry takes requests again, by the headers of a 429."""
    after = headers.get("Retry-After", "")
    reset = headers.get("X-Sentry-Rate-Limit-Reset", "")
    if after.isdigit():
        return min(float(after), MAX_PAUSE)
    return min(max(float(reset) - time.time(), 1.0), MAX_PAUSE) if reset.isdigit() else 1.0


def _rows(answer: Any, key: str | None = None) -> list[dict[str, Any]]:
    """The rows of an answer, which is a list or holds one under `key`."""
    rows = answer.get(key) if key and isinstance(answer, dict) else answer
    if not isinstance(rows, list):
        raise SentryError(_STRANGE)
    return rows


def _traffic(row: Mapping[str, Any], failures: int) -> Traffic:
    p95 = row.get("p95(span.duration)")
    counts = Counts(requests=round(_number(row, "count()")), failures=failures)
    return Traffic(counts, None if p95 is None else float(p95) / 1000)


def _number(row: Mapping[str, Any], field: str) -> float:
    return float(row.get(field) or 0.0)


def _any_of(releases: Sequence[str]) -> str:
    return f"[{','.join(releases)}]"


def _iso(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _time(value: str) -> datetime:
    parsed = datetime.fromisoformat(value)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _same_second(value: str | None, time: datetime) -> bool:
    """Whether a time of Sentry's, which may have lost its fraction, is this one."""
    return value is not None and abs((_time(value) - time).total_seconds()) < 1
