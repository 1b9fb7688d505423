"""One environment in one Sentry: what was served and went wrong there, and releases and deploys marked in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from reelback_operator.engine.model.actions import MarkDeploy, MarkRelease
from reelback_operator.engine.model.observations import Failure, Issue, Latency, Look, Measurement, Question, Sighting
from reelback_operator.engine.model.spec import Commit, Evidence, MetricCheck
from reelback_operator.engine.model.status import Counts
from reelback_operator.sentry.api import STRANGE, Api, SentryError, iso, number, parsed, quoted, rows, whole
from reelback_operator.sentry.counts import ERRORS, Counter, Window
from reelback_operator.sentry.evidence import Witness


class Sentry:
    """One environment in one organization. An async context manager; one request is in flight."""

    def __init__(
        self, url: str, organization: str, project: str, token: str, environment: str, *, web_url: str = ""
    ) -> None:
        """`url` without a path: http://host:8090; `web_url` is where a browser finds the same, if not there.

        `project` is that of every release of which the question names no other.
        """
        self._url, self._web = url.rstrip("/"), (web_url or url).rstrip("/")
        self._organization = organization
        self._project = project
        self._environment = environment
        self._api = Api(url, organization, token)
        self._counter = Counter(self._api, environment)
        self._witness = Witness(self._api, self._counter, f"{self._web}/organizations/{organization}/")

    async def __aenter__(self) -> Sentry:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Close the connections."""
        await self._api.close()

    async def get(self, path: str, **parameters: str) -> Any:
        """An answer as it is, for whoever shows it. Raises SentryError."""
        return await self._api.call("GET", path, {"environment": self._environment, **parameters})

    async def look(self, question: Question) -> Look:
        """The answer to a question. Raises SentryError."""
        try:
            return await self._look(question)
        except (KeyError, TypeError, ValueError) as error:
            raise SentryError(f"{STRANGE}: {' '.join(str(error).split()) or type(error).__name__}") from None

    async def _look(self, question: Question) -> Look:
        windows = self._windows(question)
        source, traffic, slow = "spans", dict[str, Counts](), dict[str, dict[str, Counts]]()
        for window in windows:
            served, slowed = await self._counter.spans(window, question.slow)
            traffic |= served
            for name, counts in slowed.items():
                slow.setdefault(name, {}).update(counts)
        if question.releases and not traffic:
            for window in windows:
                traffic |= await self._counter.errors_and_sessions(window)
            source = "errors and sessions" if traffic else source
        recounted, errors = dict[str, int](), dict[str, int]()
        latency, sessions = dict[str, Latency](), dict[str, Counts]()
        sampled = dict[str, float]()
        for window in windows:
            if source == "spans":
                sampled |= await self._counter.sampled(window)
            if question.recount is not None and traffic:
                recounted |= await self._counter.requests(window.until(question.recount), source)
            if question.latency_since is not None:
                latency |= await self._counter.latency(window.since(question.latency_since))
            if question.sessions:
                sessions |= await self._counter.sessions(window)
            if question.errors:
                errors |= await self._counter.errors(window)
        issues = {release: await self._issues(release, question) for release in question.issues_of}
        failures = [await self._first_failure(release, question) for release in question.first_failure_of]
        first = min((failure for failure in failures if failure), key=lambda failure: failure.at, default=None)
        found = {check.name: await self._metric(check, question) for check in question.metrics}
        metrics = {name: measurement for name, measurement in found.items() if measurement}
        shown = {evidence.name: await self._shown(evidence, question) for evidence in question.evidence}
        return Look(traffic, sampled, recounted, source, latency, slow, sessions, errors, issues, first, metrics, shown)

    async def _shown(self, evidence: Evidence, question: Question) -> Sequence[Sighting]:
        return await self._witness.look_for(
            evidence, Window(evidence.project or self._project, (), question.since, question.end)
        )

    def _windows(self, question: Question) -> list[Window]:
        """The releases of each project, in the question's window."""
        by_project: dict[str, list[str]] = {}
        for release in question.releases:
            by_project.setdefault(self._project_of(release, question), []).append(release)
        return [
            Window(project, tuple(releases), question.start, question.end) for project, releases in by_project.items()
        ]

    def _project_of(self, release: str, question: Question) -> str:
        return question.projects.get(release, self._project)

    async def mark_release(self, mark: MarkRelease) -> None:
        """Make a release known with its commits; without any, a known one stays as it is. Raises SentryError."""
        body: dict[str, Any] = {"version": mark.release, "projects": [mark.project or self._project]}
        if mark.commits:
            body["commits"] = [_commit(commit) for commit in mark.commits]
        await self._api.call("POST", "releases/", json=body)

    async def mark_deploy(self, deploy: MarkDeploy, url: str) -> None:
        """Make a deploy known, unless one of this name and end is; `url` may be empty. Raises SentryError."""
        await self.mark_release(MarkRelease(deploy.release, deploy.project))
        path = f"releases/{quote(deploy.release, safe='')}/deploys/"
        for known in rows(await self._api.call("GET", path)):
            if known.get("name") == deploy.name and _same_second(known.get("dateFinished"), deploy.finished):
                return
        body = {
            "environment": self._environment,
            "name": deploy.name,
            "dateStarted": iso(deploy.started),
            "dateFinished": iso(deploy.finished),
            "projects": [deploy.project or self._project],
            **({"url": url} if url else {}),
        }
        await self._api.call("POST", path, json=body)

    async def _issues(self, release: str, question: Question) -> list[Issue]:
        """The issues that were first seen in a release, with the events that each has of it in the window."""
        project = self._project_of(release, question)
        parameters = {
            "query": f"first-release:{quoted(release)} {ERRORS}",
            "sort": "new",
            "limit": "25",
            "project": project,
            "environment": self._environment,
        }
        found = rows(await self._api.call("GET", "issues/", parameters))
        if not found:
            return []
        window = Window(project, (release,), question.start, question.end)
        counted = await self._counter.events(
            "errors", ["issue.id", "count()"], f"release:{quoted(release)} {ERRORS}", window, {"per_page": "100"}
        )
        events = {str(row["issue.id"]): whole(row, "count()") for row in counted}
        return [
            Issue(str(row["title"]), str(row["permalink"]).replace(self._url, self._web, 1), events[str(row["id"])])
            for row in found
            if str(row["id"]) in events
        ]

    async def _first_failure(self, release: str, question: Question) -> Failure | None:
        """The first error event of a release since the run began."""
        window = Window(self._project_of(release, question), (release,), question.since, question.end)
        fields = ["timestamp", "title", "issue.id", "trace", "release"]
        order = {"sort": "timestamp", "per_page": "1"}
        found = await self._counter.events("errors", fields, f"release:{quoted(release)} {ERRORS}", window, order)
        if not found:
            return None
        trace = found[0].get("trace")
        return Failure(
            parsed(found[0]["timestamp"]),
            f"{self._web}/organizations/{self._organization}/performance/trace/{trace}/" if trace else None,
        )

    async def _metric(self, check: MetricCheck, question: Question) -> Measurement | None:
        """A figure of the platform's own in its last window. Older Sentrys take one metric in a request."""
        # A unit of "-" is any; metrics without one have a name for that in newer Sentrys only.
        metric = f"(value,{check.metric},{check.kind},{check.unit or '-'})"
        value, count = f"{check.aggregate}{metric}", f"count{metric}"
        window = Window(self._project, (), question.end, question.end).back(check.window)
        found: list[Mapping[str, object]] = [
            *await self._counter.events("tracemetrics", sorted({value, count}), "", window)
        ]
        if not found or not found[0].get(count) or found[0].get(value) is None:
            return None
        return Measurement(number(found[0], value), whole(found[0], count))


def _commit(commit: Commit) -> dict[str, Any]:
    """A commit as Sentry takes it. It asks how each file was changed, and M is the harmless answer."""
    return {
        "id": commit.id,
        "message": commit.message,
        "author_name": commit.author,
        "author_email": commit.email,
        "patch_set": [{"path": path, "type": "M"} for path in commit.files],
    }


def _same_second(value: str | None, time: datetime) -> bool:
    """Whether a time of Sentry's, which may have lost its fraction, is this one."""
    return value is not None and abs((parsed(value) - time).total_seconds()) < 1
