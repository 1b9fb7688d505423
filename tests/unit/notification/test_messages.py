"""Which events make which messages, and in which words."""

from __future__ import annotations

import pytest
from reelback.v1 import events_pb2, payment_pb2, user_pb2
from reelback_common.consumer import Poison
from reelback_notification.messages import Channel, Facts, Template, notice, wanted
from reelback_notification.preferences import Invalid, Preferences
from reelback_notification.texts import money, render

from tests.unit.notification import events


@pytest.mark.parametrize(
    ("event", "template", "subject"),
    [
        (events.registered("ada"), Template.WELCOME, "Welcome to Reelback"),
        (events.kyc("ada", user_pb2.KYC_VERIFIED), Template.KYC, "You are verified"),
        (events.kyc("ada", user_pb2.KYC_REFUSED), Template.KYC, "We could not verify you"),
        (events.deposit("ada", 123456), Template.DEPOSIT, "Your deposit of 1,234.56 EUR has arrived"),
        (
            events.moved("ada", payment_pb2.ENTRY_KIND_WITHDRAWAL, -5),
            Template.WITHDRAWAL,
            "Your withdrawal of 0.05 EUR",
        ),
        (
            events.moved("ada", payment_pb2.ENTRY_KIND_SETTLEMENT, 0),
            Template.WITHDRAWAL,
            "Your withdrawal has been paid out",
        ),
        (
            events.moved("ada", payment_pb2.ENTRY_KIND_REVERSAL, 700),
            Template.WITHDRAWAL,
            "Your withdrawal of 7.00 EUR is back on your balance",
        ),
        (
            events.moved("ada", payment_pb2.ENTRY_KIND_REVERSAL, -700),
            Template.DEPOSIT,
            "Your deposit of 7.00 EUR was taken back",
        ),
        (events.round_settled("ada", 100, 5000), Template.BIG_WIN, "A big win: 50.00 EUR"),
    ],
)
def test_what_is_told(event: events_pb2.Event, template: Template, subject: str) -> None:
    told = notice(event)
    assert told
    assert told.template is template
    text = render(told.template, told.facts, "Ada <b>")
    assert text.subject == subject
    assert text.text.startswith("Hello Ada <b>,\n")
    assert "Hello Ada &lt;b&gt;," in text.html


@pytest.mark.parametrize(
    "event",
    [
        events.kyc("ada", user_pb2.KYC_PENDING),
        events.moved("ada", payment_pb2.ENTRY_KIND_BET, -5),
        events.moved("ada", payment_pb2.ENTRY_KIND_WIN, 5),
        events.round_settled("ada", 100, 4999),
        events.round_settled("ada", 100, 0),
        events_pb2.Event(event_id="e", player_id="ada", payment_failed=events_pb2.PaymentFailed(amount=5)),
    ],
)
def test_what_is_not(event: events_pb2.Event) -> None:
    assert notice(event) is None


def _unread(severity: int) -> events_pb2.Event:
    """An event of a newer service: a value that is not in our contracts."""
    alert = events_pb2.AlertRaised(rule="velocity")
    alert.severity = severity  # type: ignore[assignment]
    return events_pb2.Event(event_id="e", alert_raised=alert)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (events_pb2.Event(event_id="e e", player_id="ada"), "event_id: "),
        (events_pb2.Event(event_id="e", player_id="ada"), "payload: "),
        (events.deposit(""), "player_id: "),
        (events.kyc("ada", user_pb2.KYC_UNSPECIFIED), "kyc: "),
        (events.deposit("ada", -5), "entry: "),
        (events.moved("ada", payment_pb2.ENTRY_KIND_UNSPECIFIED, 5), "entry: "),
        (events.round_settled("ada", 0, 5), "round_settled: "),
        (events.alert("", 1), "rule: "),
        (_unread(7), "severity: "),
    ],
)
def test_what_makes_no_sense_is_poison(event: events_pb2.Event, reason: str) -> None:
    with pytest.raises(Poison) as poison:
        notice(event)
    assert str(poison.value).startswith(reason)


@pytest.mark.parametrize(
    ("preferences", "needed", "marketing"),
    [
        (Preferences("ada"), [Channel.EMAIL], []),
        (Preferences("ada", email=False), [], []),
        (Preferences("ada", marketing=True), [Channel.EMAIL], [Channel.EMAIL]),
        (
            Preferences("ada", sms=True, push=True, phone="+4930123456"),
            [Channel.EMAIL, Channel.SMS, Channel.PUSH],
            [],
        ),
    ],
)
def test_channels_and_consent(preferences: Preferences, needed: list[Channel], marketing: list[Channel]) -> None:
    for template in (Template.WELCOME, Template.KYC, Template.DEPOSIT, Template.WITHDRAWAL):
        assert wanted(template, preferences) == needed
    assert wanted(Template.BIG_WIN, preferences) == marketing


@pytest.mark.parametrize(
    "phone", ["030123456", "+0301234567", "+49 30 123456", "+44123", "+4930123456789012", "+١٢٣٤٥٦٧"]
)
def test_what_is_no_phone_number(phone: str) -> None:
    with pytest.raises(Invalid, match=r"^phone: ") as refused:
        Preferences("ada", phone=phone)
    assert phone not in str(refused.value)


@pytest.mark.parametrize(("amount", "text"), [(0, "0.00 EUR"), (7, "0.07 EUR"), (100_000_000, "1,000,000.00 EUR")])
def test_money_for_people(amount: int, text: str) -> None:
    assert money(amount) == text


def test_a_fact_that_is_missing_is_a_mistake() -> None:
    facts: Facts = {"stage": "settled"}
    with pytest.raises(Exception, match="'amount' is undefined"):
        render(Template.DEPOSIT, facts, "Ada")
