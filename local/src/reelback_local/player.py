"""rrweb's player, which plays replays on minisentry's board: fetched once, as its lock pins it."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from reelback_local import site
from reelback_local.layout.home import PROJECT

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
    with site.workshop(KEPT) as place:
        for file in _FILES:
            shutil.copy(SOURCES / file, place)
        await site.install(place)
        (made := place / "made").mkdir()
        for file in _BUILT:
            shutil.copy(place / "node_modules" / "rrweb-player" / "dist" / file, made)
        site.keep(made, _folder())


def _folder() -> Path:
    return KEPT / hashlib.sha256((SOURCES / "package-lock.json").read_bytes()).hexdigest()[:16]
