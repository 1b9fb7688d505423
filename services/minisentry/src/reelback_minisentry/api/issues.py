"""Issues and traces."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from reelback_minisentry import issues, traces
from reelback_minisentry.api.guard import answer, base, body, not_found
from reelback_minisentry.editor import Decision, Editor
from reelback_minisentry.params import Place, page, window
from reelback_minisentry.query import BadQuery
from reelback_minisentry.reader import Reader
from reelback_minisentry.values import hex_id


class Issues:
    """The calls below /issues/, and /trace/."""

    def __init__(self, reader: Reader, editor: Editor) -> None:
        self._reader = reader
        self._editor = editor

    async def all(self, request: Request) -> Response:
        """Issues that fit the query, those of the last 14 days by default; unresolved ones if no query is given."""
        query = request.query_params
        span, place = window(query), Place.of(query)
        wanted, by = issues.predicate(query.get("query", "is:unresolved")), query.get("sort", "date")
        if by not in issues.SORTS:
            raise BadQuery(f"sort: {by!r} is not one of {', '.join(issues.SORTS)}")
        stored = await self._reader.issues(await self._reader.issue_numbers())
        found = [
            issue
            for issue in (issues.load(number, fields, place.environments) for number, fields in stored)
            if issues.matches(issue, wanted)
            and place.holds_project(issue.project)
            and issue.first_seen < span.end
            and span.start <= issue.last_seen
        ]
        issues.order(found, by)
        shown, link = page(found, request.url, query, "limit")
        return answer([issues.shape(issue, base(request)) for issue in shown], headers={"Link": link})

    async def get(self, request: Request) -> Response:
        """One issue."""
        return answer(issues.shape(await self._issue(request), base(request)))

    async def latest_event(self, request: Request) -> Response:
        """The latest event of an issue, with its exceptions."""
        return answer(issues.event(await self._issue(request)))

    async def change(self, request: Request) -> Response:
        """Resolve an issue (also in a release, or in the next one), ignore it or open it again."""
        issue = await self._issue(request)
        await self._editor.decide(issue, Decision.model_validate(await body(request)), time.time())
        return answer(issues.shape(await self._issue(request), base(request)))

    async def _issue(self, request: Request) -> issues.Issue:
        number = request.path_params["issue"]
        for found, fields in await self._reader.issues([number] if number.isdigit() else []):
            return issues.load(found, fields, Place.of(request.query_params).environments)
        raise not_found()

    async def trace(self, request: Request) -> Response:
        """The spans of a trace, nested, with their errors; [] when there are none, as at Sentry."""
        trace_id = hex_id(request.path_params["trace"], 32)
        if not trace_id:
            raise not_found()
        return answer(traces.shape(await self._reader.trace(trace_id)))
