"""What an event adds, and what is none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from reelback.v1 import events_pb2
from reelback_analytics.tally import MAX_AMOUNT, Account, Money, Play, Sums, Unreadable, read

from tests.unit.analytics.making import event, failed, moved, played, registered


def test_a_round() -> None:
    tally = read(played("ada", 20, 50, datetime(2026, 1, 2, 3, 4, 59, tzinfo=UTC), event_id="r1"))
    assert tally.sums == Play(rounds=1, won=1, bet=20, win=50, bet_squared=400.0, max_bet=20)
    assert (tally.event_id, tally.player_id, tally.game) == ("r1", "ada", "classic")
    assert tally.minute * 60 == datetime(2026, 1, 2, 3, 4, tzinfo=UTC).timestamp()
    assert read(played("ada", 20, 0)).sums == Play(rounds=1, bet=20, bet_squared=400.0, max_bet=20)


@pytest.mark.parametrize(
    ("made", "sums"),
    [
        (moved("ada", "deposit", 500), Money(entries=1, balance=500, settled=1, deposits=1, deposited=500)),
        (moved("ada", "withdrawal", -300), Money(entries=1, balance=-300, settled=1, withdrawn=300)),
        (moved("ada", "bet", -20), Money(entries=1, balance=-20, settled=1, wagered=20)),
        (moved("ada", "win", 40), Money(entries=1, balance=40, settled=1)),
        (moved("ada", "settlement", 0), Money(entries=1)),
        (moved("ada", "reversal", -500), Money(entries=1, balance=-500, deposited=-500)),
        (moved("ada", "reversal", 300), Money(entries=1, balance=300, withdrawn=-300)),
        (failed("ada", "ERROR"), Money(failed=1)),
        (failed("ada", "DECLINED"), Money(declined=1)),
        (registered("ada"), Account(changes=1)),
    ],
)
def test_a_payment(made: events_pb2.Event, sums: Sums) -> None:
    assert read(made).sums == sums


def without(field: str) -> Callable[[events_pb2.Event], None]:
    return lambda it: it.ClearField(field)


@pytest.mark.parametrize(
    ("made", "spoil", "problem"),
    [
        (played("ada", 1, 1), without("event_id"), "event_id"),
        (played("ada", 1, 1), without("player_id"), "player_id"),
        (played("a/b", 1, 1), None, "player_id"),
        (played("ada", 1, 1), without("occurred_at"), "occurred_at"),
        (played("ada", 1, 1), lambda it: setattr(it.occurred_at, "seconds", 2**60), "occurred_at"),
        (played("ada", 0, 1), None, "round_settled.bet"),
        (played("ada", -1, 1), None, "round_settled.bet"),
        (played("ada", 1, -1), None, "round_settled.win"),
        (played("ada", 1, MAX_AMOUNT + 1), None, "round_settled.win"),
        (played("ada", 1, 1, game="$where"), None, "round_settled.game"),
        (played("ada", 1, 1, game=""), None, "round_settled.game"),
        (moved("ada", "unspecified", 1), None, "money_moved.entry.kind"),
        (moved("ada", "win", 2**62), None, "money_moved.entry.amount"),
        (failed("ada", "REASON_UNSPECIFIED"), None, "payment_failed.reason"),
        (event("ada"), None, "payload: none"),
        (event("ada"), lambda it: it.alert_raised.SetInParent(), "payload: alert_raised"),
    ],
)
def test_what_cannot_be_counted_is_refused_by_the_name_of_its_field(
    made: events_pb2.Event, spoil: Callable[[events_pb2.Event], None] | None, problem: str
) -> None:
    if spoil:
        spoil(made)
    with pytest.raises(Unreadable, match=f"^{problem}"):
        read(made)
