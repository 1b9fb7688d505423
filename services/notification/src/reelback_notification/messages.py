"""Which events make which messages, and to whom. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from reelback.v1 import events_pb2, payment_pb2, user_pb2
from reelback_common.consumer import Poison

from reelback_notification.preferences import Preferences, is_identifier

BIG_WIN = 50
"""A win of so many times its bet is one to be told of."""

_EVENT_ID = re.compile(r"[!-~]{1,512}")


class Channel(StrEnum):
    """A way to reach somebody: players over the first three, staff over the last."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    ALERTS = "alerts"


class Template(StrEnum):
    """What a message is about; templates/ has the words for players."""

    WELCOME = "welcome"
    KYC = "kyc"
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    BIG_WIN = "big_win"
    ALERT = "alert"


MARKETING = frozenset({Template.BIG_WIN})
"""What an account does not need: it takes the player's consent."""

Facts: TypeAlias = Mapping[str, str | int]


class Notice(NamedTuple):
    """Something to tell. `facts` are what the template asks for: amounts in minor units, no personal data."""

    template: Template
    facts: Facts


@dataclass(frozen=True, slots=True)
class Message:
    """A notice on its way over a channel.

    `id` is the same whenever the event comes again; `player_id` is empty for staff; `headers` carry the trace of the
    event; `attempts` have failed so far; `created_at` is UTC.
    """

    id: str
    player_id: str
    template: Template
    channel: Channel
    facts: Facts
    headers: Mapping[str, str]
    created_at: datetime
    attempts: int = 0

    @property
    def group(self) -> str:
        """Messages of the same group that are due together go out as one: alerts of a rule."""
        return str(self.facts["rule"]) if self.template is Template.ALERT else self.id


def notice(event: events_pb2.Event) -> Notice | None:
    """What an event has to tell; None when nothing. Raises Poison for one that cannot be made sense of."""
    if not _EVENT_ID.fullmatch(event.event_id):
        raise Poison("event_id: must be 1 to 512 visible ASCII characters")
    payload = event.WhichOneof("payload")
    if payload is None:
        raise Poison("payload: none that is known here")
    if payload == "alert_raised":
        return _alert(event.alert_raised, event.player_id)
    if not is_identifier(event.player_id):
        raise Poison("player_id: is no identifier")
    match payload:
        case "player_registered":
            return Notice(Template.WELCOME, {})
        case "kyc_changed":
            return _kyc(event.kyc_changed.kyc)
        case "money_moved":
            return _money(event.money_moved.entry)
        case "round_settled":
            return _round(event.round_settled)
    return None


def wanted(template: Template, preferences: Preferences) -> list[Channel]:
    """The channels over which a player wants to hear of something."""
    if template in MARKETING and not preferences.marketing:
        return []
    choices = {Channel.EMAIL: preferences.email, Channel.SMS: preferences.sms, Channel.PUSH: preferences.push}
    return [channel for channel, on in choices.items() if on]


def _alert(alert: events_pb2.AlertRaised, player_id: str) -> Notice:
    severities = {
        events_pb2.AlertRaised.WARNING: "warning",
        events_pb2.AlertRaised.CRITICAL: "critical",
    }
    if not is_identifier(alert.rule):
        raise Poison("rule: is no identifier")
    if alert.severity not in severities:
        raise Poison(f"severity: {alert.severity} is not known")
    facts = {"rule": alert.rule, "severity": severities[alert.severity], "detail": alert.detail, "player": player_id}
    return Notice(Template.ALERT, facts)


def _kyc(kyc: user_pb2.Kyc) -> Notice | None:
    match kyc:
        case user_pb2.KYC_VERIFIED:
            return Notice(Template.KYC, {"decision": "verified"})
        case user_pb2.KYC_REFUSED:
            return Notice(Template.KYC, {"decision": "refused"})
        case user_pb2.KYC_NONE | user_pb2.KYC_PENDING:
            return None
    raise Poison(f"kyc: {kyc} is not known")


def _money(entry: payment_pb2.Entry) -> Notice | None:
    amount = entry.amount
    match entry.kind:
        case payment_pb2.ENTRY_KIND_DEPOSIT if amount > 0:
            return Notice(Template.DEPOSIT, {"stage": "settled", "amount": amount})
        case payment_pb2.ENTRY_KIND_WITHDRAWAL if amount < 0:
            return Notice(Template.WITHDRAWAL, {"stage": "taken", "amount": -amount})
        case payment_pb2.ENTRY_KIND_SETTLEMENT if amount == 0:
            return Notice(Template.WITHDRAWAL, {"stage": "paid", "amount": 0})
        case payment_pb2.ENTRY_KIND_REVERSAL if amount > 0:
            return Notice(Template.WITHDRAWAL, {"stage": "returned", "amount": amount})
        case payment_pb2.ENTRY_KIND_REVERSAL if amount < 0:
            return Notice(Template.DEPOSIT, {"stage": "reversed", "amount": -amount})
        case payment_pb2.ENTRY_KIND_BET | payment_pb2.ENTRY_KIND_WIN:
            return None
    raise Poison(f"entry: kind {entry.kind} with an amount of {amount} is not known")


def _round(settled: events_pb2.RoundSettled) -> Notice | None:
    if settled.bet <= 0 or settled.win < 0:
        raise Poison(f"round_settled: a bet of {settled.bet} cannot have won {settled.win}")
    if settled.win < BIG_WIN * settled.bet:
        return None
    return Notice(Template.BIG_WIN, {"bet": settled.bet, "win": settled.win})
