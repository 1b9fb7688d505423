"""How many different ids there are, from a bounded sample of them: the least of their hashes, a bottom-k sketch.

Of each second and series at most SAMPLE hashes of 32 bits are kept, the least. Where fewer came, they are all there
and the number is exact. Where more came, the greatest one kept says which part of all hashes was kept, and the number
is what is below it, scaled. Sketches of several seconds are scaled by the least of their parts.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from zlib import crc32

SAMPLE = 64
WIDTH = 4
"""Bytes of a hash."""

_ALL = 1 << (8 * WIDTH)


def hashed(id_: str) -> int:
    """The hash of an id. A checksum alone would leave ids that are counted up in patterns: it is stirred twice."""
    found = crc32(id_.encode())
    found = (found ^ found >> 16) * 0x7FEB352D % _ALL
    found = (found ^ found >> 15) * 0x846CA68B % _ALL
    return found ^ found >> 16


def packed(hashes: Iterable[int]) -> bytes:
    """A sketch, as it stands in Redis: the least hashes, in their order."""
    return b"".join(one.to_bytes(WIDTH, "big") for one in sorted(set(hashes))[:SAMPLE])


class Distinct:
    """Ids of any number of sketches."""

    __slots__ = ("_below", "_hashes")

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self._hashes = set(hashes)
        self._below = _ALL

    def add(self, other: Distinct) -> None:
        """Take the ids of another one in."""
        self._hashes |= other._hashes
        self._below = min(self._below, other._below)

    def add_sketch(self, raw: bytes) -> None:
        """Take what `packed` made in."""
        found = array("I", raw)
        if sys.byteorder == "little":
            found.byteswap()
        self._hashes.update(found)
        if len(found) >= SAMPLE:
            self._below = min(self._below, max(found))

    def __len__(self) -> int:
        """How many there are."""
        kept = sum(one < self._below for one in self._hashes)
        return round(kept * _ALL / self._below) if self._below else len(self._hashes)
