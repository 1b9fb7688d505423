"""`make attack`: a stack of its own, honest players, and strangers. Exit status 0: the strangers decided nothing."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.attack import campaign
from tests.attack.local import Local
from tests.local.stack import Stack


def main() -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="reelback-attack-"))
    stack = Stack.on_free_ports(folder)
    print(f"starting a stack of its own in {folder}", flush=True)
    try:
        up = stack.run("up", seconds=180)
        if up.returncode:
            sys.exit(up.stdout)
        result = asyncio.run(campaign.run(Local(stack), given.seconds, _say))
    finally:
        stack.run("down")
    print("\n".join(result.lines()))
    if result.faults:
        print(f"what every process said is in {folder}/log")
        return 1
    shutil.rmtree(folder)
    return 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
