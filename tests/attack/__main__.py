"""`make attack`: a stack of its own, honest players, and strangers. Exit status 0: the strangers decided nothing."""

from __future__ import annotations

import argparse
import sys

from tests.attack import campaign
from tests.attack.local import Local
from tests.campaigns import carry_out


def main() -> int:
    """Run; the exit status."""
    parser = argparse.ArgumentParser(prog="make attack", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    return carry_out("attack", lambda stack, say: campaign.run(Local(stack), given.seconds, say))


if __name__ == "__main__":
    sys.exit(main())
