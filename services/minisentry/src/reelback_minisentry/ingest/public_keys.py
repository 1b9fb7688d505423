"""The public keys of DSNs: who is let in, and what kind of sender that is. No I/O."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from reelback_minisentry.store.records import Kind, Records
from reelback_minisentry.untrusted import Rejected

BROWSER_PROJECT = "2"
"""The project of what browsers send: theirs alone, so that nothing of it is in the figures of another."""

_KEY = re.compile(rb"sentry_key\s*=\s*([\w-]+)")


class PublicKeys:
    """The keys that were handed out, and which projects each may write to."""

    def __init__(self, keys: Mapping[str, Kind], browser_package: str) -> None:
        """`browser_package`: what releases of the browser's are named after, as `web` in web@1.4.0."""
        self._keys = [(key.encode(), kind) for key, kind in keys.items()]
        self._browser_releases = f"{browser_package}@"

    def kind(self, key: bytes, project: str) -> Kind:
        """What kind of sender this is. Raises Rejected as Sentry does: 401 without a key, 403 for one of no project."""
        if not key:
            raise Rejected(401, "missing authorization information")
        # All of them are compared, each in constant time: how long it takes tells nothing about any.
        found = [kind for known, kind in self._keys if hmac.compare_digest(known, key)]
        if not found or (found[0] == "browser") != (project == BROWSER_PROJECT):
            raise Rejected(403, "event submission rejected with_reason: ProjectId")
        return found[0]

    def check(self, records: Records) -> None:
        """Raises Rejected (403) when a browser speaks of a release that is not its own: that counts for none."""
        if records.kind == "browser":
            for release in records.releases():
                if release and not release.startswith(self._browser_releases):
                    raise Rejected(403, f"release: this key is for {self._browser_releases}<version> alone")


def named(headers: Mapping[bytes, bytes], query: bytes) -> bytes:
    """The key that a request names in the first of the places for one; b"" for none."""
    for place in (headers.get(b"x-sentry-auth", b""), query, headers.get(b"authorization", b"")):
        if match := _KEY.search(place):
            return match[1]
    return b""


def of_dsn(dsn: object) -> bytes:
    """The key in a DSN; b"" for what is none."""
    try:
        return (urlsplit(dsn).username or "").encode() if isinstance(dsn, str) else b""
    except ValueError:
        return b""
