"""What is kept at hand, and whether it was there."""

from __future__ import annotations

import sentry_sdk

from reelback_telemetry import plain
from reelback_telemetry.counts import Counts

_lookups = Counts("cache.lookups")


def looked_up(name: str, *, hit: bool) -> None:
    """Count a look into a cache by whether it had what was looked for, and leave a breadcrumb; never with the key."""
    outcome = "hit" if hit else "miss"
    sentry_sdk.add_breadcrumb(category="cache", message=f"{plain.text(name)}: {outcome}")
    _lookups.add(cache=name, outcome=outcome)
