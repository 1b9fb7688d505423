"""Applies a patch to a service's sources; also `python patches.py PATCH SERVICE FOLDER`, for the build of an image.

The standard library alone: an image has neither git nor patch, and a machine with Python need not have them either.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")


class BadPatch(Exception):
    """A patch that cannot be applied here; nothing was changed. The message is one line."""


def apply(patch: Path, service: str, folder: Path) -> None:
    """Change the files of `service` below `folder`, which holds what `services/<service>/src` does.

    Every line must stand where the patch says. A patch changes files, it makes and removes none. Raises BadPatch.
    """
    root = f"services/{service}/src/"
    changed: dict[Path, list[str]] = {}
    shift = 0
    lines = iter(patch.read_text().splitlines(keepends=True))
    file: Path | None = None
    for line in lines:
        if line.startswith("--- "):
            name = next(lines, "").removeprefix("+++ b/").rstrip()
            if line.rstrip() != f"--- a/{name}" or not name.startswith(root) or ".." in name.split("/"):
                raise BadPatch(f"{patch.name}: {line.strip()}: only files below {root} are changed")
            file, shift = folder / name.removeprefix(root), 0
            if not file.is_file():
                raise BadPatch(f"{patch.name}: there is no {name}")
            changed[file] = file.read_text().splitlines(keepends=True)
        elif file and (hunk := _HUNK.match(line)):
            before, after = _sides(lines, int(hunk[2] or 1), int(hunk[3] or 1))
            at = int(hunk[1]) - 1 + shift
            if not before or changed[file][at : at + len(before)] != before:
                raise BadPatch(f"{patch.name}: {file.name} is not what it was at line {hunk[1]}")
            changed[file][at : at + len(before)] = after
            shift += len(after) - len(before)
    if not changed:
        raise BadPatch(f"{patch.name}: changes nothing")
    for file, text in changed.items():
        file.write_text("".join(text))


def _sides(lines: Iterator[str], old: int, new: int) -> tuple[list[str], list[str]]:
    """The lines of a hunk as they are before and after: so many of each."""
    before: list[str] = []
    after: list[str] = []
    while len(before) < old or len(after) < new:
        line = next(lines, "")
        if line[:1] not in (" ", "-", "+"):
            break
        if line[0] != "+":
            before.append(line[1:])
        if line[0] != "-":
            after.append(line[1:])
    return before, after


if __name__ == "__main__":
    try:
        apply(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
    except BadPatch as error:
        sys.exit(str(error))
