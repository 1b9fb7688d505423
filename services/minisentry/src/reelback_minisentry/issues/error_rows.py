"""Single error events as rows of /events/: the fields they have, and how each is shown and searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reelback_minisentry.short_ids import short_id
from reelback_minisentry.stats.distinct import Distinct
from reelback_minisentry.store.cells import Cell
from reelback_minisentry.timestamps import iso

Stored = Mapping[str, Any]

_READ: dict[str, Callable[[Stored], Any]] = {
    "id": lambda row: row["id"],
    "timestamp": lambda row: iso(row["timestamp"]),
    "title": lambda row: row["title"],
    "message": lambda row: row["title"],
    "culprit": lambda row: row["culprit"],
    "issue": lambda row: short_id(row["origin"]["project"], row["issue"]),
    "issue.id": lambda row: row["issue"],
    "trace": lambda row: row["trace"],
    "span_id": lambda row: row["span"],
    "release": lambda row: row["origin"]["release"],
    "environment": lambda row: row["origin"]["environment"],
    "level": lambda row: row["level"],
    "error.type": lambda row: row.get("type", ""),
    "transaction": lambda row: row["transaction"],
    "project": lambda row: row["origin"]["project"],
    "project.id": lambda row: int(row["origin"]["project"]) if row["origin"]["project"].isdigit() else 0,
}


class _Names:
    """The fields, and any tag, as `tags[name]` or by its bare name."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str)


FIELDS = tuple(_READ)
SEARCHED = _Names()
"""What a search may name: what is no field is a tag, as at Sentry."""

TYPES = {
    name: {"timestamp": "date", "issue.id": "integer", "project.id": "integer"}.get(name, "string") for name in FIELDS
}


def value(field: str, row: Stored) -> str | int | None:
    """One field of one event; None when it was not sent."""
    found: str | int = _READ[field](row)
    return None if found == "" else found


def ids(row: Stored) -> list[Cell]:
    """An event's trace and its user, as cells to count them by."""
    fields = texts(row)
    found = (("trace", row["trace"][-8:]), ("user", row["user"]))
    return [({**fields, "of": of}, Distinct([int(hash_, 16)])) for of, hash_ in found if hash_]


class _Texts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""


def texts(row: Stored) -> dict[str, str]:
    """What a search compares with; a tag that the event has not is empty."""
    return _Texts({**row.get("tags", {}), **{name: str(read(row)) for name, read in _READ.items()}})
