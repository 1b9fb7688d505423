"""The slot machine: reels, lines and pays. No I/O.

A line wins when it shows one symbol often enough in a row, from the first reel on. A wild stands for any symbol and
lies on later reels only, so the first reel alone says which symbol a line is about.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

WILD = "wild"
ROWS = 3
MAX_BET = 10_000


class Invalid(ValueError):
    """A field of a request is out of its bounds; the message begins with the field's name."""


@dataclass(frozen=True, slots=True)
class Win:
    """A line that pays. `line` counts from 1; `amount` is in minor units."""

    line: int
    symbol: str
    count: int
    amount: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a spin shows and pays. `window` is row by row from the top, ROWS x reels symbols."""

    window: tuple[str, ...]
    wins: tuple[Win, ...]

    @property
    def win(self) -> int:
        """All lines together, in minor units."""
        return sum(win.amount for win in self.wins)


@dataclass(frozen=True)
class Machine:
    """A slot machine; `name` says which one it is.

    `strips` are the reels' symbols, top to bottom, closed to a ring. A line has the row on each reel, from 0 at the
    top. `pays[symbol][count]` is a multiple of the bet on one line. ValueError when these do not fit together.
    """

    name: str
    strips: Sequence[Sequence[str]]
    lines: Sequence[Sequence[int]]
    pays: Mapping[str, Mapping[int, int]]

    def __post_init__(self) -> None:
        if WILD in self.strips[0]:
            raise ValueError("a wild on the first reel leaves open which symbol a line is about")
        if any(len(line) != len(self.strips) or not set(line) <= set(range(ROWS)) for line in self.lines):
            raise ValueError(f"a line has a row from 0 to {ROWS - 1} for each reel")
        if {symbol for strip in self.strips for symbol in strip} - {WILD} != set(self.pays):
            raise ValueError("the symbols on the reels and those that pay must be the same")

    def check_bet(self, bet: int) -> None:
        """Raises Invalid unless `bet` (minor units, for all lines together) can be played."""
        lines = len(self.lines)
        if not lines <= bet <= MAX_BET or bet % lines:
            raise Invalid(f"bet: must be a multiple of {lines} from {lines} to {MAX_BET} minor units, not {bet}")

    def spin(self, bet: int, rng: Random) -> Outcome:
        """Stop the reels, and see what shows and pays."""
        self.check_bet(bet)
        return self.outcome(self.stops(rng), bet)

    def stops(self, rng: Random) -> list[int]:
        """Where each reel stops: all places of a reel are equally likely, whatever the others do."""
        return [rng.randrange(len(strip)) for strip in self.strips]

    def outcome(self, stops: Sequence[int], bet: int) -> Outcome:
        """What shows and pays when reel i stops with place `stops[i]` in the top row."""
        rows = [
            [strip[(stop + row) % len(strip)] for strip, stop in zip(self.strips, stops, strict=True)]
            for row in range(ROWS)
        ]
        stake = bet // len(self.lines)
        wins = []
        for number, line in enumerate(self.lines, start=1):
            symbol = rows[line[0]][0]
            count = 1
            for reel in range(1, len(line)):
                if not goes_on(symbol, rows[line[reel]][reel]):
                    break
                count += 1
            if multiplier := self.pays[symbol].get(count):
                wins.append(Win(number, symbol, count, multiplier * stake))
        return Outcome(tuple(symbol for row in rows for symbol in row), tuple(wins))


def goes_on(symbol: str, shown: str) -> bool:
    """Whether a line about `symbol` goes on with what its next reel shows."""
    return shown in (symbol, WILD)


def fair_rng() -> Random:
    """The operating system's source of randomness: nobody can foretell or repeat it."""
    return secrets.SystemRandom()


_LETTERS = {
    "C": "cherry",
    "L": "lemon",
    "O": "orange",
    "P": "plum",
    "B": "bell",
    "S": "star",
    "V": "seven",
    "W": WILD,
}

CLASSIC = Machine(
    name="classic",
    strips=[
        [_LETTERS[letter] for letter in strip]
        for strip in (
            "LBCLPCLOCLPOCPOVLCVBOSBOCPSLPBOC",
            "CLBCLOCBSOCLPOCSWOPCLPCVLBWPLSOP",
            "WPOCLBPLOCBSWOPLOCLOBCLPSVCSOLBC",
            "OCLBCWPLVOPLBCOLPCLBVOPSWCSOLCBP",
            "OBLCBOPCBVPSCLBPCLOSPCLVOLCOSLCP",
        )
    ],
    lines=[
        (1, 1, 1, 1, 1),
        (0, 0, 0, 0, 0),
        (2, 2, 2, 2, 2),
        (0, 1, 2, 1, 0),
        (2, 1, 0, 1, 2),
    ],
    pays={
        "cherry": {3: 5, 4: 20, 5: 50},
        "lemon": {3: 8, 4: 25, 5: 60},
        "orange": {3: 8, 4: 30, 5: 100},
        "plum": {3: 12, 4: 40, 5: 150},
        "bell": {3: 25, 4: 75, 5: 250},
        "star": {3: 40, 4: 150, 5: 500},
        "seven": {2: 5, 3: 100, 4: 300, 5: 1000},
    },
)
"""The machine that is played: it returns 94.6 %, and one round in four pays something."""
