"""Projects: the numbers of DSNs, and the names that callers may use for them."""

from __future__ import annotations

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.query.parameters import environments
from reelback_minisentry.responses import answer
from reelback_minisentry.store.reader import Reader
from reelback_minisentry.store.scope import Place
from reelback_minisentry.untrusted import Rejected

ALL = "-1"


class Projects:
    """Every project that has a name or that something came from."""

    def __init__(self, reader: Reader, names: ProjectNames) -> None:
        self._reader = reader
        self.names = names

    async def place(self, query: QueryParams) -> Place:
        """What environment= and project= ask for: ids or slugs, -1 or none for all.

        Raises Rejected (403) for a project that there is not, as Sentry does.
        """
        asked = [project for project in query.getlist("project") if project]
        if not asked or ALL in asked:
            return Place(environments(query), frozenset())
        found = frozenset(self.names.id_of(project) for project in asked)
        if (
            not found <= self.names.slugs.keys()
            and not found <= self.names.slugs.keys() | await self._reader.projects()
        ):
            raise Rejected(403, "You do not have permission to perform this action.")
        return Place(environments(query), found)

    async def all(self, _: Request) -> Response:
        """Every project, by id."""
        known = sorted(self.names.slugs.keys() | await self._reader.projects())
        named = [(id_, self.names.slug(id_)) for id_ in known]
        return answer([{"id": id_, "slug": slug, "name": slug, "platform": None} for id_, slug in named])
