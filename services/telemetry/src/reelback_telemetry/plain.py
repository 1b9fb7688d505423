"""What may be said of an event: plain values, within bounds, whatever is given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LENGTH, ITEMS, DEPTH = 200, 50, 4
"""Characters of a text, entries of a mapping or list, and how deep they are nested."""


def text(value: object) -> str:
    """A value as a text of bounded length, in one line."""
    return " ".join(str(value)[: 2 * LENGTH].split())[:LENGTH]


def tree(value: object, depth: int = DEPTH) -> Any:
    """A copy of nested mappings and sequences, cut where it is too long, too deep, or never ends."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping | list | tuple | set | frozenset) and depth == 0:
        return "..."
    if isinstance(value, Mapping):
        return {text(key): tree(item, depth - 1) for key, item in list(value.items())[:ITEMS]}
    if isinstance(value, list | tuple | set | frozenset):
        return [tree(item, depth - 1) for item in list(value)[:ITEMS]]
    return text(value)
