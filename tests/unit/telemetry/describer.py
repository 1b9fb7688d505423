"""A process that says of a request what it knows, and fails: `python describer.py`, with SENTRY_DSN."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from reelback_telemetry import context, operations, request, sdk


class Refused(Exception):
    """An answer, and no failure."""


@operations.tag_business_operation("spin")
def spin(error: Exception) -> None:
    assert context.player() == ""
    context.set_player("p1")
    assert context.player() == "p1"
    context.describe(tier="vip", account_since=datetime.now(UTC) - timedelta(days=3), balance=4_321_99)
    context.describe(game="classic", feature="spin", authenticated=True)
    raise error


if __name__ == "__main__":
    context.describe(game="outside a request")
    assert context.player() == ""
    with sdk.start("describer", release="describer@1.0.0", dsn=os.environ["SENTRY_DSN"]):
        for name, error in (("fails", ValueError("x")), ("refuses", Refused())):
            with suppress(ValueError, Refused), request.request(name, {}, {}, expected=(Refused,)):
                spin(error)
