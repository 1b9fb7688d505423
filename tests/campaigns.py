"""A campaign from the command line: on a stack of its own, told as it goes, with an exit status."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any, Protocol

from tests.local.stack import Stack

Say = Callable[[str], None]


class Result(Protocol):
    """What came of a campaign."""

    @property
    def faults(self) -> Sequence[str]:
        """What must not have happened, a line each."""

    def lines(self) -> list[str]:
        """What happened."""


def carry_out(name: str, campaign: Callable[[Stack, Say], Coroutine[Any, Any, Result]]) -> int:
    """Start a stack, run the campaign on it, print its result. 0: no faults; 1: the folder with the logs stays."""
    folder = Path(tempfile.mkdtemp(prefix=f"reelback-{name}-"))
    _say(f"starting a stack of its own in {folder}")
    with Stack.running(folder / "stack") as stack:
        result = asyncio.run(campaign(stack, _say))
    _say("\n".join(result.lines()))
    if result.faults:
        _say(f"what every process said is in {stack.home.folder}/log")
        return 1
    shutil.rmtree(folder)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)
