"""Releases by name: payment@1.5.0 is version 1.5.0 of the package payment, and versions have an order."""

from __future__ import annotations

import re

_SEMVER = re.compile(r"(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.\-]+))?(?:\+(\S+))?")


def service_of(release: str) -> str:
    """payment of payment@1.5.0; "" of a release without a package."""
    return release.rpartition("@")[0]


def order(release: str) -> tuple[object, ...]:
    """A key that sorts the releases of one package: by semantic version; what is none comes first."""
    match = _SEMVER.fullmatch(release.rpartition("@")[2])
    if match is None:
        return (0, release)
    numbers = tuple(int(match[i] or 0) for i in range(1, 5))
    pre = match[5] or ""
    parts = tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in pre.split("."))
    return (1, numbers, not pre, parts)


def info(release: str) -> dict[str, object]:
    """Sentry's `versionInfo`."""
    package, _, version = release.rpartition("@")
    match = _SEMVER.fullmatch(version)
    parsed: dict[str, object] = {"raw": version}
    if match:
        names = ("major", "minor", "patch")
        parsed |= {name: int(match[i] or 0) for i, name in enumerate(names, 1)}
        parsed |= {"pre": match[5], "buildCode": match[6], "components": sum(match[i] is not None for i in range(1, 5))}
    return {
        "package": package or None,
        "version": parsed,
        "description": version,
        "buildHash": None if match else version,
    }
