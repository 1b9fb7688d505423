"""An artifact bundle, the archive that sentry-cli uploads: from its bytes to scripts and their source maps. No I/O.

Nothing is written to a disk, and nothing of an archive is believed: not its sizes, and not its names.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO

import orjson

from reelback_minisentry.untrusted import debug_id, obj, text

MIB = 1024 * 1024
MAX_BUNDLE = 8 * MIB
MAX_FILE = 8 * MIB
MAX_FILES = 500
MAX_UNPACKED = 48 * MIB
"""Bytes of an archive and of one file in it unpacked, how many files, and their bytes together."""

_MAGIC = b"SYSB"
_MANIFEST = "manifest.json"
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_KINDS = {"minified_source": "script", "source_map": "map"}


class BadBundle(Exception):
    """This is no bundle, or it is too large. The message is one line for whoever uploads it."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file of a build: its debug id, whether it is the script or the map, its bytes compressed by zlib."""

    debug_id: str
    kind: str
    url: str
    packed: bytes


def read(raw: bytes) -> list[Artifact]:
    """The scripts and maps of an archive that have a debug id. Raises BadBundle."""
    if not raw.startswith(_MAGIC):
        raise BadBundle("this is not an artifact bundle")
    try:
        with zipfile.ZipFile(BytesIO(raw)) as archive:
            return list(_artifacts(archive))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise BadBundle(f"the archive is damaged: {error}") from None


def _artifacts(archive: zipfile.ZipFile) -> Iterator[Artifact]:
    entries = _checked(archive)
    if _MANIFEST not in entries:
        raise BadBundle(f"the archive has no {_MANIFEST}")
    try:
        manifest = obj(orjson.loads(_unpacked(archive, entries[_MANIFEST])))
    except orjson.JSONDecodeError:
        raise BadBundle(f"{_MANIFEST}: not valid JSON") from None
    found = False
    for name, about in obj(manifest.get("files")).items():
        if name not in entries:
            raise BadBundle(f"{_MANIFEST} names {name[:200]!r}, which is not in the archive")
        file = obj(about)
        headers = {key.lower(): value for key, value in obj(file.get("headers")).items()}
        kind, id_ = _KINDS.get(text(file.get("type"))), debug_id(headers.get("debug-id"))
        if kind and id_:
            found = True
            yield Artifact(id_, kind, text(file.get("url")), zlib.compress(_unpacked(archive, entries[name]), 6))
    if not found:
        raise BadBundle("no file has a debug id: run `sentry-cli sourcemaps inject` before the upload")


def _checked(archive: zipfile.ZipFile) -> Mapping[str, zipfile.ZipInfo]:
    """The files by name, as far as the archive's own list of them may be read."""
    every = archive.infolist()
    if len(every) > MAX_FILES:
        raise BadBundle(f"the archive has {len(every)} files, and {MAX_FILES} are taken")
    unpacked = 0
    for entry in every:
        if not _is_inside(entry.orig_filename):
            raise BadBundle(f"{entry.orig_filename[:200]!r} leads out of the bundle")
        if entry.compress_type not in _METHODS:
            raise BadBundle(f"{entry.filename[:200]!r} is compressed in a way that is not supported")
        if entry.file_size > MAX_FILE:
            raise BadBundle(f"{entry.filename[:200]!r} has {entry.file_size} bytes, and a file may have {MAX_FILE}")
        unpacked += entry.file_size
    if unpacked > MAX_UNPACKED:
        raise BadBundle(f"the files have {unpacked} bytes together, and {MAX_UNPACKED} are taken")
    return {entry.filename: entry for entry in every}


def _is_inside(name: str) -> bool:
    plain = name.replace("\\", "/")
    return not (plain.startswith("/") or "\0" in plain or plain[1:2] == ":" or ".." in plain.split("/"))


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """A file, read no further than it said itself that it goes; zipfile compares its checksum."""
    with archive.open(entry) as file:
        return file.read(MAX_FILE)
