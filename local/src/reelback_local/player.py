"""rrweb's player, which plays replays on minisentry's board: fetched once, as its lock pins it."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from reelback_local import site
from reelback_local.layout.home import PROJECT
from reelback_local.site import SiteError

SOURCES = PROJECT / "services" / "minisentry" / "player"
KEPT = PROJECT / ".reelback" / "player"

_FILES = (".npmrc", "package-lock.json", "package.json")
_BUILT = ("rrweb-player.js", "style.css")


def built() -> Path | None:
    """The folder of the player that the lock pins now, if there is one."""
    folder = _folder()
    return folder if folder.is_dir() else None


async def build() -> None:
    """Fetch the player, unless that is done. Raises SiteError."""
    if built():
        return
    try:
        KEPT.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=KEPT, ignore_cleanup_errors=True) as name:
            work = Path(name)
            for file in _FILES:
                shutil.copy(SOURCES / file, work)
            await site.install(work)
            made = work / "made"
            made.mkdir()
            for file in _BUILT:
                shutil.copy(work / "node_modules" / "rrweb-player" / "dist" / file, made)
            with suppress(OSError):  # another stack was quicker
                made.rename(_folder())
    except OSError as error:
        raise SiteError(f"{error.filename or KEPT}: {error.strerror or error}") from None


def _folder() -> Path:
    return KEPT / hashlib.sha256((SOURCES / "package-lock.json").read_bytes()).hexdigest()[:16]
