"""The build of the pages, read once: each file with its compressed forms and how long it may be kept. No network."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import brotli
import orjson

ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""What a build may have beside a file, the best first, and how its name then ends."""

FOR_EVER = "public, max-age=31536000, immutable"
ASKED_AGAIN = "no-cache"


_SETTINGS = b'<script type="application/json" id="settings"></script>'
"""Where a page wants them."""


class NoPages(Exception):
    """The folder is not a build. The message is one line."""


@dataclass(frozen=True, slots=True)
class File:
    """One file; `bodies` by encoding, "" the plain one."""

    bodies: Mapping[str, bytes]
    media_type: str
    cache: str
    etag: str

    @classmethod
    def read(cls, path: Path, *, hashed: bool) -> Self:
        """From disk. `hashed`: its name changes with what is in it."""
        bodies = {"": path.read_bytes()}
        for encoding, suffix in ENCODINGS.items():
            if (compressed := path.with_name(path.name + suffix)).is_file():
                bodies[encoding] = compressed.read_bytes()
        return cls.of(path.name, bodies, hashed=hashed)

    @classmethod
    def of(cls, name: str, bodies: Mapping[str, bytes], *, hashed: bool) -> Self:
        """From what is in it."""
        media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return cls(bodies, media_type, FOR_EVER if hashed else ASKED_AGAIN, _etag(bodies[""]))

    def told(self, settings: Mapping[str, Any]) -> Self:
        """The page with its settings in it, if it wants any."""
        # In a script's text only "<" could end it, or begin what is none.
        text = orjson.dumps(settings).replace(b"<", b"\\u003c")
        body = self.bodies[""].replace(_SETTINGS, _SETTINGS.replace(b"><", b">" + text + b"<"))
        bodies = {"": body, "br": brotli.compress(body), "gzip": gzip.compress(body)}
        return replace(self, bodies=bodies, etag=_etag(body))

    def best(self, accepted: str) -> str:
        """The encoding for a client with this Accept-Encoding; "" for none."""
        wanted = _acceptable(accepted)
        return next((encoding for encoding in ENCODINGS if encoding in self.bodies and encoding in wanted), "")


def load(folder: Path) -> dict[str, File]:
    """Every file of a build by its path from `/` on. Raises NoPages."""
    index = folder / "index.html"
    if not index.is_file():
        raise NoPages(f"{folder} has no index.html")
    found = {
        f"/{path.relative_to(folder).as_posix()}": File.read(path, hashed=path.parent.name == "assets")
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix not in ENCODINGS.values()
    }
    return {"/": found["/index.html"], **found}


def _etag(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()[:20]


def _acceptable(header: str) -> set[str]:
    """The encodings that a header names, but those with the weight 0."""
    found = set()
    for part in header.lower().split(","):
        encoding, _, parameter = part.partition(";")
        if not re.fullmatch(r"\s*q\s*=\s*0(\.0*)?\s*", parameter):
            found.add(encoding.strip())
    return found
