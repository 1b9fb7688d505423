"""What the machine pays back over many rounds, and where its reels stop, held against what was computed."""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from random import Random

from reelback_game.odds import theoretical_rtp, variance
from reelback_game.slots import CLASSIC, fair_rng

ROUNDS = 1_000_000


def measure(rng: Random, rounds: int) -> dict[str, object]:
    """Play rounds of one coin a line, and say how they went.

    `deviation` is how far the RTP is off, in standard errors from the computed variance. For each reel, `p` is the
    probability that a fair one has a chi-square at least this large over its stops.
    """
    bet = len(CLASSIC.lines)
    stopped: list[Counter[int]] = [Counter() for _ in CLASSIC.strips]
    win = 0
    started = time.perf_counter()
    for _ in range(rounds):
        stops = CLASSIC.stops(rng)
        for reel, stop in enumerate(stops):
            stopped[reel][stop] += 1
        win += CLASSIC.outcome(stops, bet).win
    seconds = time.perf_counter() - started
    rtp, theoretical = win / (rounds * bet), float(theoretical_rtp(CLASSIC))
    return {
        "rounds": rounds,
        "rtp": rtp,
        "theoretical_rtp": theoretical,
        "deviation": (rtp - theoretical) / math.sqrt(float(variance(CLASSIC)) / rounds),
        "seconds": round(seconds, 2),
        "reels": [
            _fairness([counts[stop] for stop in range(len(strip))])
            for counts, strip in zip(stopped, CLASSIC.strips, strict=True)
        ],
    }


def _fairness(counts: list[int]) -> dict[str, float]:
    expected = sum(counts) / len(counts)
    chi_square = sum((count - expected) ** 2 for count in counts) / expected
    freedom = len(counts) - 1
    return {"chi_square": round(chi_square, 2), "freedom": freedom, "p": chi_square_tail(chi_square, freedom)}


def chi_square_tail(value: float, freedom: int) -> float:
    """The probability that a chi-square with so many degrees of freedom is at least `value`."""
    half = value / 2
    odd = freedom % 2
    tail = math.erfc(math.sqrt(half)) if odd else math.exp(-half)
    for below in range(1 if odd else 2, freedom, 2):  # from two degrees of freedom less to the next
        tail += math.exp(below / 2 * math.log(half) - half - math.lgamma(below / 2 + 1)) if half else 0
    return tail


if __name__ == "__main__":
    print(json.dumps(measure(fair_rng(), ROUNDS)))
