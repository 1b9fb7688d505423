"""What callers from outside may say of a trace.

Whoever can reach an HTTP port can send any header. Of a trace its id and the caller's span are taken, so that a
browser's trace goes on here. Whether it is sampled is drawn here: a caller that could decide it would choose what of
its requests the release's figures show.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from reelback_telemetry import consent
from reelback_telemetry.propagation import BAGGAGE, SENTRY_TRACE, TRACE
from reelback_telemetry.sampling import drawn

TRACEPARENT = "traceparent"

_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})(?:-.*)?")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def carrier(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """The headers of a request of ASGI that are passed on: the trace's ids, whether it was drawn, baggage, and whether
    the person refuses to be known."""
    headers = list(headers)
    found = {key.decode("latin-1"): value.decode("latin-1").strip() for key, value in headers if key in _NAMES}
    kept = {BAGGAGE: found[BAGGAGE]} if BAGGAGE in found else {}
    if consent.refused_by(headers):
        kept[consent.HEADER] = consent.REFUSED
    match = _TRACEPARENT.fullmatch(found.get(TRACEPARENT, "")) or SENTRY_TRACE.fullmatch(found.get(TRACE, ""))
    return kept | ({TRACEPARENT: f"00-{match[1]}-{match[2]}-{drawn():02x}"} if match else {})


def method(scope: Mapping[str, object]) -> str:
    """The request's method for names and labels; `OTHER` for what is none, as anybody can make up more."""
    name = str(scope["method"])
    return name if name in _METHODS else "OTHER"


_NAMES = frozenset(name.encode() for name in (TRACEPARENT, TRACE, BAGGAGE))
