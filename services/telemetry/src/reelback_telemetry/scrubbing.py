"""Take credentials and personal data out of whatever leaves the process."""

from __future__ import annotations

import re
from typing import Any

SCRUBBED = "[scrubbed]"

_SECRET_NAME = r"(?:authorization|cookie|passw(?:or)?d|secret|token|api[_-]?key|dsn|email)"  # noqa: S105
_SECRET_KEY = re.compile(rf"(?i){_SECRET_NAME}")
_IN_TEXT = (
    (re.compile(r"(?<=://)[^/\s@]+(?=@)"), SCRUBBED),  # credentials in a URL
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), SCRUBBED),  # a JWT
    (re.compile(rf"(?i)(\b{_SECRET_NAME}[\"']?\s*[:=]\s*[\"']?(?:bearer\s+)?)[^\s\"',;)}}]+"), rf"\1{SCRUBBED}"),
    (re.compile(r"(?i)(\bbearer\s+)[^\s\"',;})]+"), rf"\1{SCRUBBED}"),
    (re.compile(r"[\w.+-]+@(?!\d+\.\d)(?:[\w-]+\.)+[A-Za-z]{2,}"), "[email]"),  # not a release, payment@1.4.0
)
_HARMLESS = frozenset({"stacktrace", "modules", "sdk"})
"""Parts of an event that hold source and names of packages only."""


def text(value: str) -> str:
    """The text without credentials, tokens and email addresses."""
    for pattern, replacement in _IN_TEXT:
        value = pattern.sub(replacement, value)
    return value


def tree(value: Any) -> Any:
    """A copy of nested dicts and lists in which every text is scrubbed, and whatever has a secret's name is gone."""
    match value:
        case str():
            return text(value)
        case dict():
            return {
                key: item if key in _HARMLESS else SCRUBBED if _SECRET_KEY.search(str(key)) else tree(item)
                for key, item in value.items()
            }
        case list() | tuple():
            return [tree(item) for item in value]
        case _:
            return value
