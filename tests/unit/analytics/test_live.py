"""The live figures."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from reelback.v1 import events_pb2
from reelback_analytics.live import Live
from reelback_analytics.luck import Machine
from reelback_analytics.tally import Play, read

from tests.unit.analytics.making import failed, moved, played

NOW = datetime(2026, 5, 5, 12, tzinfo=UTC)


def ago(**how_long: float) -> datetime:
    return NOW - timedelta(**how_long)


def live(*events: events_pb2.Event) -> Live:
    counting = Live()
    for event in events:
        counting.count(read(event))
    return counting


def test_nothing_is_not_zero() -> None:
    figures = live().figures({}, NOW)
    assert (figures.games, figures.active_sessions, figures.success) == ({}, 0, {})


def test_total_and_rolling() -> None:
    counting = live(
        played("ada", 100, 400, ago(minutes=6)), played("ada", 100, 50, ago(minutes=1)), played("bob", 100, 0, NOW)
    )
    game = counting.figures({}, NOW).games["classic"]
    assert (game.rtp, game.rolling_rtp, game.deviation) == (1.5, 0.25, None)
    later = counting.figures({}, NOW + timedelta(minutes=10)).games["classic"]
    assert (later.rtp, later.rolling_rtp) == (1.5, None)


def test_what_was_counted_before_a_start_is_in_the_total() -> None:
    counting = Live()
    counting.load({"classic": Play(rounds=3, bet=100, win=50, bet_squared=3400.0)}, {"ada": ago(minutes=4)})
    counting.count(read(played("bob", 100, 150, NOW)))
    machine = Machine(0.9, 4.0, 100)
    figures = counting.figures({"classic": machine}, NOW)
    assert figures.games["classic"].rtp == 1.0
    assert figures.games["classic"].deviation == pytest.approx((200 - 180) / (4 * 13_400) ** 0.5)
    assert figures.active_sessions == 2


def test_active_sessions_are_players_and_end() -> None:
    counting = live(
        played("ada", 1, 0, ago(minutes=1)),
        played("ada", 1, 0, ago(minutes=4)),
        played("bob", 1, 0, ago(minutes=6)),
        moved("eve", "deposit", 5, NOW),
    )
    assert counting.figures({}, NOW).active_sessions == 1
    assert counting.figures({}, NOW + timedelta(minutes=4, seconds=1)).active_sessions == 0


def test_success_counts_what_came_to_an_end_and_no_declined() -> None:
    counting = live(
        moved("ada", "bet", -1, ago(seconds=2)),
        moved("ada", "settlement", 0, ago(seconds=2)),
        failed("ada", "ERROR", ago(seconds=3)),
        failed("ada", "DECLINED", ago(seconds=3)),
        *(moved("bob", "win", 1, ago(seconds=60)) for _ in range(2)),
        failed("bob", "ERROR", ago(minutes=6)),
    )
    assert counting.figures({}, NOW).success == {"10s": 0.5, "5m": 0.75}
    assert counting.figures({}, NOW + timedelta(minutes=2)).success == {"5m": 0.75}
    assert counting.figures({}, NOW + timedelta(hours=2)).success == {}
