"""Single error events as rows of /events/: the fields they have, and how each is shown and searched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from reelback_minisentry.project_names import ProjectNames
from reelback_minisentry.stats.distinct import Distinct
from reelback_minisentry.store.cells import Cell
from reelback_minisentry.timestamps import iso

Stored = Mapping[str, Any]

_READ: dict[str, Callable[[Stored, ProjectNames], Any]] = {
    "id": lambda row, _: row["id"],
    "timestamp": lambda row, _: iso(row["timestamp"]),
    "title": lambda row, _: row["title"],
    "message": lambda row, _: row["title"],
    "culprit": lambda row, _: row["culprit"],
    "issue": lambda row, names: names.short_id(row["origin"]["project"], row["issue"]),
    "issue.id": lambda row, _: row["issue"],
    "trace": lambda row, _: row["trace"],
    "span_id": lambda row, _: row["span"],
    "release": lambda row, _: row["origin"]["release"],
    "environment": lambda row, _: row["origin"]["environment"],
    "level": lambda row, _: row["level"],
    "error.type": lambda row, _: row.get("type", ""),
    "transaction": lambda row, _: row["transaction"],
    "project": lambda row, names: names.slug(row["origin"]["project"]),
    "project.id": lambda row, _: int(row["origin"]["project"]) if row["origin"]["project"].isdigit() else 0,
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


def value(field: str, row: Stored, names: ProjectNames) -> str | int | None:
    """One field of one event; None when it was not sent."""
    found: str | int = _READ[field](row, names)
    return None if found == "" else found


def ids(row: Stored, names: ProjectNames) -> list[Cell]:
    """An event's trace and its user, as cells to count them by."""
    fields = texts(row, names)
    found = (("trace", row["trace"][-8:]), ("user", row["user"]))
    return [({**fields, "of": of}, Distinct([int(hash_, 16)])) for of, hash_ in found if hash_]


class _Texts(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return ""


def texts(row: Stored, names: ProjectNames) -> dict[str, str]:
    """What a search compares with; a tag that the event has not is empty."""
    return _Texts({**row.get("tags", {}), **{name: str(read(row, names)) for name, read in _READ.items()}})
