"""Files of the stack: written in one step, for their owner alone; logs, which have an end and a last line."""

from __future__ import annotations

import os
import shutil
from pathlib import Path


def write(file: Path, text: str) -> None:
    """Put `text` in place of the file in one step, readable for this user alone."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as stream:
        stream.write(text)
    fresh.replace(file)


def roll(log: Path, limit: int) -> None:
    """Put a log of more than `limit` bytes aside as `.1`, in place of the one before.

    Whoever writes to it has it open, for appending, and goes on at its new beginning; a line in between may be lost.
    """
    if log.stat().st_size > limit:
        shutil.copyfile(log, log.with_name(f"{log.name}.1"))
        os.truncate(log, 0)


def last_line(log: Path) -> str:
    """The last line of a log that is not empty; empty when there is none."""
    try:
        with log.open("rb") as stream:
            stream.seek(max(0, log.stat().st_size - 8192))
            lines = stream.read().decode(errors="replace").split("\n")
    except OSError:
        return ""
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
