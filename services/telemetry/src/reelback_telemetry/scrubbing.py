"""Take credentials and personal data out of whatever leaves the process."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from ipaddress import ip_address, ip_network
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
_CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
_ADDRESS = re.compile(r"(?<![\w.:])(?:\d{1,3}(?:\.\d{1,3}){3}|(?:[0-9a-fA-F]{0,4}:){3,7}[0-9a-fA-F]{0,4})(?![\w.])")
_HARMLESS = frozenset({"stacktrace", "modules", "sdk"})
"""Parts of an event that hold source and names of packages only."""


def text(value: str) -> str:
    """The text without credentials, tokens, email addresses and card numbers."""
    for pattern, replacement in _IN_TEXT:
        value = pattern.sub(replacement, value)
    return _CARD.sub(_card, value)


def anonymised(value: str) -> str:
    """The text with the network of each IP address alone: 203.0.113.0, 2001:db8:1::; this machine's own stay."""
    return _ADDRESS.sub(_network, value)


def _card(found: re.Match[str]) -> str:
    """Only what has the check digit of a card is one (Luhn)."""
    digits = [int(digit) for digit in found[0] if digit.isdigit()]
    doubled = [digit if place % 2 == 0 else digit * 2 - 9 * (digit > 4) for place, digit in enumerate(reversed(digits))]
    return "[card]" if sum(doubled) % 10 == 0 else found[0]


def _network(found: re.Match[str]) -> str:
    with suppress(ValueError):
        address = ip_address(found[0])
        if not address.is_loopback and not address.is_unspecified:
            return str(ip_network((address, 24 if address.version == 4 else 48), strict=False).network_address)
    return found[0]


def _nothing_of(found: re.Match[str]) -> str:
    with suppress(ValueError):
        ip_address(found[0])
        return "[address]"
    return found[0]


def tree(value: Any, cleaned: Callable[[str], str] = lambda it: anonymised(text(it))) -> Any:
    """A copy of nested dicts and lists in which every text is scrubbed and anonymised, or `cleaned`, and whatever has a
    secret's name is gone."""
    match value:
        case str():
            return cleaned(value)
        case dict():
            return {
                key: item if key in _HARMLESS else SCRUBBED if _SECRET_KEY.search(str(key)) else tree(item, cleaned)
                for key, item in value.items()
            }
        case list() | tuple():
            return [tree(item, cleaned) for item in value]
        case _:
            return value


def without_addresses(value: Any) -> Any:
    """A copy of nested dicts and lists without the network of an IP address, too."""
    return tree(value, lambda it: _ADDRESS.sub(_nothing_of, it))
