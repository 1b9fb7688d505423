"""Entries and refusals as messages: gRPC's answers and Kafka's events."""

from __future__ import annotations

from datetime import UTC

from reelback.v1 import events_pb2, payment_pb2
from reelback_common.events import Outgoing
from reelback_common.mongo import Document

from reelback_payment.wallet import Entry, Kind

TOPIC = "payments"
KINDS = {
    Kind.DEPOSIT: payment_pb2.ENTRY_KIND_DEPOSIT,
    Kind.WITHDRAWAL: payment_pb2.ENTRY_KIND_WITHDRAWAL,
    Kind.BET: payment_pb2.ENTRY_KIND_BET,
    Kind.WIN: payment_pb2.ENTRY_KIND_WIN,
    Kind.SETTLEMENT: payment_pb2.ENTRY_KIND_SETTLEMENT,
    Kind.REVERSAL: payment_pb2.ENTRY_KIND_REVERSAL,
}
_KINDS = {number: kind for kind, number in KINDS.items()}


def entry_message(entry: Entry) -> payment_pb2.Entry:
    """The entry as callers and consumers see it."""
    message = payment_pb2.Entry(
        request_id=entry.request_id,
        player_id=entry.player_id,
        kind=KINDS[entry.kind],
        amount=entry.amount,
        balance_after=entry.balance_after,
        sequence=entry.sequence,
        reference=entry.reference,
        decided_by=entry.decided_by,
    )
    message.created_at.FromDatetime(entry.created_at)
    return message


def entry_of(message: payment_pb2.Entry) -> Entry:
    """The entry behind a message; its trace headers are not in it."""
    return Entry(
        request_id=message.request_id,
        player_id=message.player_id,
        kind=_KINDS[message.kind],
        amount=message.amount,
        balance_after=message.balance_after,
        sequence=message.sequence,
        reference=message.reference,
        created_at=message.created_at.ToDatetime(UTC),
        decided_by=message.decided_by,
    )


def money_moved(entry: Entry) -> Outgoing:
    """The event that tells of an entry."""
    event = events_pb2.Event(event_id=f"{entry.player_id}/{entry.request_id}", player_id=entry.player_id)
    event.occurred_at.FromDatetime(entry.created_at)
    event.money_moved.entry.CopyFrom(entry_message(entry))
    return Outgoing(TOPIC, event, entry.trace)


def payment_failed(failure: Document) -> Outgoing:
    """The event that tells of a failed payment, from the document that records it."""
    event = events_pb2.Event(event_id=failure["_id"], player_id=failure["player_id"])
    event.occurred_at.FromDatetime(failure["at"])
    event.payment_failed.request_id = failure["request_id"]
    event.payment_failed.kind = KINDS[Kind(failure["kind"])]
    event.payment_failed.amount = failure["amount"]
    event.payment_failed.reason = failure["reason"]
    return Outgoing(TOPIC, event, failure["trace"])
