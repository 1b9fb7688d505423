"""The names that people give to issues."""

from __future__ import annotations

_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def short_id(project: str, number: int) -> str:
    """MINISENTRY-1-4F9K2: made of the issue's number, so that it needs no counter."""
    digits = ""
    while number:
        number, digit = divmod(number, 32)
        digits = _DIGITS[digit] + digits
    return f"MINISENTRY-{project}-{digits}".upper()
