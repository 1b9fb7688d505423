"""Events as the other services publish them."""

from __future__ import annotations

import secrets

from reelback.v1 import events_pb2, payment_pb2, user_pb2


def _event(event_id: str, player_id: str) -> events_pb2.Event:
    event = events_pb2.Event(event_id=event_id, player_id=player_id)
    event.occurred_at.GetCurrentTime()
    return event


def registered(player_id: str) -> events_pb2.Event:
    event = _event(f"{player_id}/registered", player_id)
    event.player_registered.SetInParent()
    return event


def kyc(player_id: str, state: user_pb2.Kyc) -> events_pb2.Event:
    event = _event(f"{player_id}/kyc/1", player_id)
    event.kyc_changed.kyc = state
    return event


def moved(player_id: str, kind: payment_pb2.EntryKind, amount: int, request_id: str = "") -> events_pb2.Event:
    request_id = request_id or secrets.token_hex(4)
    event = _event(f"{player_id}/{request_id}", player_id)
    event.money_moved.entry.kind = kind
    event.money_moved.entry.amount = amount
    event.money_moved.entry.request_id = request_id
    return event


def deposit(player_id: str, amount: int = 1000, request_id: str = "") -> events_pb2.Event:
    return moved(player_id, payment_pb2.ENTRY_KIND_DEPOSIT, amount, request_id)


def round_settled(player_id: str, bet: int, win: int) -> events_pb2.Event:
    event = _event(secrets.token_hex(8), player_id)
    event.round_settled.bet = bet
    event.round_settled.win = win
    return event


def alert(
    rule: str, number: int, severity: events_pb2.AlertRaised.Severity = events_pb2.AlertRaised.CRITICAL
) -> events_pb2.Event:
    event = _event(f"{rule}/p{number}/1", f"p{number}")
    event.alert_raised.rule = rule
    event.alert_raised.severity = severity
    event.alert_raised.detail = f"{number} deposits in a minute, more than <3>"
    return event
