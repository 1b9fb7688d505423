"""What telemetry is told of the account that a request is about: a tier and an age, never who it is."""

from __future__ import annotations

from datetime import datetime

from reelback_telemetry import context


def describe(*, verified: bool, since: datetime) -> None:
    """Say whether the player's documents are verified, and since when (UTC) there is the account."""
    context.describe(tier="verified" if verified else "unverified", account_since=since)
