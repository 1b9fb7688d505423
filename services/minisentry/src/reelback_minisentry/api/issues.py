"""Issues and traces."""

from __future__ import annotations

import time

from starlette.requests import Request
from starlette.responses import Response

from reelback_minisentry.api.guard import base, body, not_found
from reelback_minisentry.api.projects import Projects
from reelback_minisentry.artifacts.stacks import Stacks
from reelback_minisentry.issues import decision, listing, shapes
from reelback_minisentry.issues.decision import Decision
from reelback_minisentry.issues.issue import Issue, load
from reelback_minisentry.query.parameters import environments, page, window
from reelback_minisentry.query.search import BadQuery
from reelback_minisentry.responses import answer
from reelback_minisentry.spans import trace_tree
from reelback_minisentry.store.edits import Edits
from reelback_minisentry.store.reader import Reader
from reelback_minisentry.untrusted import hex_id


class Issues:
    """The calls below /issues/, and /trace/."""

    def __init__(self, reader: Reader, edits: Edits, projects: Projects, stacks: Stacks) -> None:
        self._reader = reader
        self._projects = projects
        self._edits = edits
        self._stacks = stacks

    async def all(self, request: Request) -> Response:
        """Issues that fit the query, those of the last 14 days by default; unresolved ones if no query is given."""
        query = request.query_params
        span, place = window(query), await self._projects.place(query)
        wanted, by = listing.predicate(query.get("query", "is:unresolved")), query.get("sort", "date")
        if by not in listing.SORTS:
            raise BadQuery(f"sort: {by!r} is not one of {', '.join(listing.SORTS)}")
        stored = await self._reader.issues(await self._reader.issue_numbers())
        found = [
            issue
            for issue in (load(number, fields, place.environments) for number, fields in stored)
            if listing.matches(issue, wanted, self._projects.names)
            and place.holds_project(issue.project)
            and issue.first_seen < span.end
            and span.start <= issue.last_seen
        ]
        listing.order(found, by)
        shown, link = page(found, request.url, query, "limit")
        return answer(
            [shapes.shape(issue, base(request), self._projects.names) for issue in shown], headers={"Link": link}
        )

    async def get(self, request: Request) -> Response:
        """One issue."""
        return answer(shapes.shape(await self._issue(request), base(request), self._projects.names))

    async def latest_event(self, request: Request) -> Response:
        """The latest event of an issue, with its exceptions."""
        issue = await self._issue(request)
        return answer(shapes.event(issue, *await self._stacks.of_kept(issue.latest["detail"]["exceptions"])))

    async def change(self, request: Request) -> Response:
        """Resolve an issue (also in a release, or in the next one), ignore it or open it again."""
        issue = await self._issue(request)
        decided = decision.stored(Decision.model_validate(await body(request)), issue, time.time())
        await self._edits.decide(issue.number, decided)
        return answer(shapes.shape(await self._issue(request), base(request), self._projects.names))

    async def _issue(self, request: Request) -> Issue:
        number = request.path_params["issue"]
        for found, fields in await self._reader.issues([number] if number.isdigit() else []):
            return load(found, fields, environments(request.query_params))
        raise not_found()

    async def trace(self, request: Request) -> Response:
        """The spans of a trace, nested, with their errors; [] when there are none, as at Sentry."""
        trace_id = hex_id(request.path_params["trace"], 32)
        if not trace_id:
            raise not_found()
        return answer(trace_tree.shape(await self._reader.trace(trace_id), self._projects.names))
