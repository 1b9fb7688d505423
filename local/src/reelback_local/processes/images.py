"""The images of services, for a stack that runs none: a service's sources, or a patched copy of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from reelback_local.layout.home import PROJECT, Home
from reelback_local.patches import BadPatch, apply

PATCHES = PROJECT / "releases"
_TAG = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")


class NoImage(Exception):
    """There is no such image here. The message is one line."""


class Images:
    """What the images that a release may bring are here: `payment:1.5.1` is releases/payment-1.5.1.patch, applied."""

    def __init__(self, home: Home, service: str, version: str) -> None:
        """`version` is that of the sources as they are."""
        self.own = f"{service}:{version}"
        self._home = home
        self._service = service
        self._made: dict[str, Path] = {}

    def sources(self, image: str) -> Path | None:
        """Where an image's patched copy is, made anew the first time; None for the sources as they are.

        Blocks on the disk for some milliseconds. Raises NoImage.
        """
        if image == self.own:
            return None
        if image not in self._made:
            self._made[image] = self._patched(image)
        return self._made[image]

    def _patched(self, image: str) -> Path:
        name, _, tag = image.partition(":")
        patch = PATCHES / f"{name}-{tag}.patch"
        if name != self._service or not _TAG.fullmatch(tag) or not patch.is_file():
            raise NoImage(f"image: {image} is not {self.own}, and releases/ has no patch that makes it")
        folder = self._home.release(patch.stem)
        shutil.rmtree(folder, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(PROJECT / "services" / name / "src", folder, ignore=ignored)
        try:
            apply(patch, name, folder)
        except BadPatch as error:
            raise NoImage(f"image: {image}: {error}") from None
        return folder
