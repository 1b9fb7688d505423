"""Events as the services publish them."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from reelback.v1 import events_pb2, payment_pb2


def event(player_id: str, at: datetime | None = None, event_id: str = "") -> events_pb2.Event:
    """Without a payload."""
    made = events_pb2.Event(event_id=event_id or secrets.token_hex(8), player_id=player_id)
    made.occurred_at.FromDatetime(at or datetime.now(UTC))
    return made


def played(
    player_id: str, bet: int, win: int, at: datetime | None = None, *, game: str = "classic", event_id: str = ""
) -> events_pb2.Event:
    made = event(player_id, at, event_id)
    made.round_settled.CopyFrom(events_pb2.RoundSettled(round_id=made.event_id, game=game, bet=bet, win=win))
    return made


def moved(player_id: str, kind: str, amount: int, at: datetime | None = None, event_id: str = "") -> events_pb2.Event:
    """`kind` is a name like "deposit"; `amount` is signed."""
    made = event(player_id, at, event_id)
    entry = payment_pb2.Entry(
        request_id=made.event_id,
        player_id=player_id,
        kind=f"ENTRY_KIND_{kind.upper()}",
        amount=amount,
    )
    made.money_moved.CopyFrom(events_pb2.MoneyMoved(entry=entry))
    return made


def failed(player_id: str, reason: str, at: datetime | None = None) -> events_pb2.Event:
    """`reason` is ERROR or DECLINED."""
    made = event(player_id, at)
    made.payment_failed.CopyFrom(events_pb2.PaymentFailed(request_id=made.event_id, reason=reason))
    return made


def registered(player_id: str, at: datetime | None = None) -> events_pb2.Event:
    made = event(player_id, at, f"{player_id}/registered")
    made.player_registered.SetInParent()
    return made
