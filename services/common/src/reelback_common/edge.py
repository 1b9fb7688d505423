"""Who callers from outside are."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

IPV6_PREFIX = 64
"""Bits of an IPv6 address that its owner has been given: who has one has all of them."""


def address(host: str) -> str:
    """The owner of an address, as a key of limits: an IPv4 address, an IPv6 network, or `unknown`."""
    try:
        found = ip_address(host.partition("%")[0])
    except ValueError:
        return "unknown"
    if found.version == 4:
        return str(found)
    return str(found.ipv4_mapped or ip_network((found, IPV6_PREFIX), strict=False))
