"""`make chaos`: a stack of its own, a minute of players and kills, and the counts. Exit status 0: the money adds up."""

from __future__ import annotations

import argparse
import secrets
import sys

from tests.campaigns import carry_out
from tests.chaos import campaign
from tests.chaos.processes import Processes


def main() -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="repeats a run's kills")
    given = parser.parse_args()
    return carry_out("chaos", lambda stack, say: campaign.run(Processes(stack), given.seconds, given.seed, say))


if __name__ == "__main__":
    sys.exit(main())
