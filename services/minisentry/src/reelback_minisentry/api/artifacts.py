"""The upload of artifact bundles, as `sentry-cli sourcemaps upload` does it."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesHeaderParser
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from reelback_minisentry.api.guard import body, raw_body
from reelback_minisentry.artifacts import bundle
from reelback_minisentry.artifacts.uploads import CHUNK, BadChunk, Uploads
from reelback_minisentry.responses import answer
from reelback_minisentry.untrusted import Rejected

CHUNKS_AT_ONCE = 8
MAX_REQUEST = CHUNKS_AT_ONCE * (CHUNK + 4096)

Sha1 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}$")]


class Assembly(BaseModel):
    """The body of POST /artifactbundle/assemble/."""

    model_config = ConfigDict(extra="ignore")
    checksum: Sha1
    chunks: Annotated[list[Sha1], Field(min_length=1, max_length=10_000)]
    projects: Annotated[list[str | int], Field(min_length=1, max_length=100)]
    version: Annotated[str, Field(max_length=200)] | None = None
    dist: Annotated[str, Field(max_length=64)] | None = None


class Artifacts:
    """The calls /chunk-upload/ and /artifactbundle/assemble/."""

    def __init__(self, uploads: Uploads) -> None:
        self._uploads = uploads

    async def options(self, request: Request) -> Response:
        """How to upload: sentry-cli asks this first. The address is below that of the API."""
        return answer(
            {
                "url": f"/organizations/{request.path_params['org']}/chunk-upload/",
                "chunkSize": CHUNK,
                "chunksPerRequest": CHUNKS_AT_ONCE,
                "maxFileSize": bundle.MAX_BUNDLE,
                "maxRequestSize": CHUNKS_AT_ONCE * CHUNK,
                "concurrency": 1,
                "hashAlgorithm": "sha1",
                "compression": [],
                "accept": ["artifact_bundles", "artifact_bundles_v2"],
            }
        )

    async def upload(self, request: Request) -> Response:
        """Take the parts of a form, each under its checksum."""
        raw = await raw_body(request, MAX_REQUEST)
        parts = list(_files(request.headers.get("content-type", ""), raw))
        if not 1 <= len(parts) <= CHUNKS_AT_ONCE:
            raise Rejected(400, f"1 to {CHUNKS_AT_ONCE} chunks are taken at once, not {len(parts)}")
        for checksum, part in parts:
            try:
                await self._uploads.take(checksum, part, time.time())
            except BadChunk as error:
                raise Rejected(400, str(error)) from None
        return Response(status_code=200)

    async def assemble(self, request: Request) -> Response:
        """Put a bundle together, or say which parts are missing."""
        asked = Assembly.model_validate(await body(request))
        about = asked.model_dump(include={"projects", "version", "dist"})
        try:
            return answer(await self._uploads.assemble(asked.checksum, asked.chunks, about, time.time()))
        except TimeoutError:
            raise Rejected(429, "another bundle is being put together: try again") from None


def _files(content_type: str, raw: bytes) -> Iterator[tuple[str, bytes]]:
    """The files of a multipart form: name and content. Raises Rejected."""
    form = Message()
    form["Content-Type"] = content_type
    boundary = form.get_boundary()
    if form.get_content_type() != "multipart/form-data" or not boundary:
        raise Rejected(415, "content type: only multipart/form-data")
    _, *sections = (b"\r\n" + raw).split(b"\r\n--" + boundary.encode("latin-1", "replace"))
    if not sections or not sections[-1].startswith(b"--"):
        raise Rejected(400, "the form ends too early")
    for section in sections[:-1]:
        head, separator, content = section.partition(b"\r\n\r\n")
        about = BytesHeaderParser().parsebytes(head.lstrip(b"\r\n"))
        name = about.get_filename("")
        if not separator or not re.fullmatch(r"[0-9a-f]{40}", name):
            raise Rejected(400, "a part of the form is no chunk: its file name is no SHA-1")
        yield name, content
