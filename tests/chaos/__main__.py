"""`make chaos`: a stack of its own, a minute of players and kills, and the counts. Exit status 0: the money adds up."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos import campaign
from tests.chaos.processes import Processes
from tests.local.stack import Stack


def main() -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="repeats a run's kills")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="reelback-chaos-"))
    stack = Stack.on_free_ports(folder)
    print(f"starting a stack of its own in {folder}", flush=True)
    try:
        up = stack.run("up", seconds=180)
        if up.returncode:
            sys.exit(up.stdout)
        result = asyncio.run(campaign.run(Processes(stack), given.seconds, given.seed, _say))
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
