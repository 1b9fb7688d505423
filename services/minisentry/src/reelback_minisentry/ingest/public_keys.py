"""The public keys of DSNs: who is let in, and what kind of sender that is. No I/O."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from reelback_minisentry.store.records import Kind, Records
from reelback_minisentry.untrusted import Rejected

BROWSER_PROJECTS = {"2": "web", "3": "admin"}
"""The projects of what browsers send: theirs alone, so that nothing of it is in the figures of another. By the id in
the DSN, what their releases are named after: web of web@1.4.0.
"""

_KEY = re.compile(rb"sentry_key\s*=\s*([\w-]+)")


class PublicKeys:
    """The keys that were handed out, and which projects each may write to."""

    def __init__(self, keys: Mapping[str, Kind]) -> None:
        self._keys = [(key.encode(), kind) for key, kind in keys.items()]

    def kind(self, key: bytes, project: str) -> Kind:
        """What kind of sender this is. Raises Rejected as Sentry does: 401 without a key, 403 for one of no project."""
        if not key:
            raise Rejected(401, "missing authorization information")
        # All of them are compared, each in constant time: how long it takes tells nothing about any.
        found = [kind for known, kind in self._keys if hmac.compare_digest(known, key)]
        if not found or (found[0] == "browser") != (project in BROWSER_PROJECTS):
            raise Rejected(403, "event submission rejected with_reason: ProjectId")
        return found[0]

    def check(self, records: Records, project: str) -> None:
        """Raises Rejected (403) when a browser speaks of a release that is not its own: that counts for none."""
        if records.kind == "browser":
            package = f"{BROWSER_PROJECTS[project]}@"
            for release in records.releases():
                if release and not release.startswith(package):
                    raise Rejected(403, f"release: this key is for {package}<version> alone")


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
