"""What comes with an event: files, and what people say about it."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from reelback_minisentry.api.guard import not_found
from reelback_minisentry.api.projects import Projects
from reelback_minisentry.issues import feedback
from reelback_minisentry.issues.attachments import Attachments
from reelback_minisentry.issues.feedback import FeedbackList
from reelback_minisentry.query.parameters import page
from reelback_minisentry.responses import answer
from reelback_minisentry.untrusted import hex_id


class Reports:
    """The calls /events/{id}/attachments/ and /user-feedback/ of a project."""

    def __init__(self, attachments: Attachments, said: FeedbackList, projects: Projects) -> None:
        self._attachments = attachments
        self._said = said
        self._projects = projects

    async def attachments(self, request: Request) -> Response:
        """The files of an event."""
        found = await self._attachments.of(hex_id(request.path_params["event"], 32))
        shown, link = page(found, request.url, request.query_params)
        return answer([*shown], headers={"Link": link})

    async def attachment(self, request: Request) -> Response:
        """One of them, or with `download` its content, which no browser takes for a page."""
        event_id, wanted = hex_id(request.path_params["event"], 32), request.path_params["attachment"]
        found = next((each for each in await self._attachments.of(event_id) if each["id"] == wanted), None)
        if not found:
            raise not_found()
        if "download" not in request.query_params:
            return answer(found)
        content = await self._attachments.content(event_id, wanted)
        if content is None:
            raise not_found()
        name = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(found['name'], safe='')}"}
        return Response(content, headers=name, media_type="application/octet-stream")

    async def feedback(self, request: Request) -> Response:
        """What people said, the last first."""
        project = self._projects.names.id_of(request.path_params["project"])
        found = [said for said in await self._said.newest() if said["origin"]["project"] == project]
        shown, link = page(found, request.url, request.query_params)
        return answer([feedback.shape(said, self._projects.names) for said in shown], headers={"Link": link})
