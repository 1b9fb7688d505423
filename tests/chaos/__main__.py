"""`make chaos`: a stack of its own, a minute of players and kills, and the counts. Exit status 0: the money adds up."""

from __future__ import annotations

import argparse
import asyncio
import secrets
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
    with tempfile.TemporaryDirectory() as folder:
        stack = Stack.on_free_ports(Path(folder))
        print("starting a stack of its own", flush=True)
        try:
            up = stack.run("up", seconds=180)
            if up.returncode:
                sys.exit(up.stdout)
            result = asyncio.run(campaign.run(Processes(stack), given.seconds, given.seed, _say))
        finally:
            stack.run("down")
    print("\n".join(result.lines()))
    return 1 if result.faults else 0


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
