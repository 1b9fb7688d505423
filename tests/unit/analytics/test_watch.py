"""Alerts: raised once a rule, player and day, also when whoever counted the event ended before raising it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from reelback.v1 import events_pb2
from reelback_analytics.paytables import Paytables
from reelback_analytics.rules import MAX_DEPOSITS, MAX_ROUNDS_PER_MINUTE
from reelback_analytics.tally import read

from tests.unit.analytics.conftest import Instance, instance
from tests.unit.analytics.making import moved, played

# Noon of yesterday: the events of a test are on one day, whenever it runs.
NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)


def deposits(player_id: str, count: int, at: datetime = NOON) -> list[events_pb2.Event]:
    return [moved(player_id, "deposit", 100, at + timedelta(seconds=number)) for number in range(count)]


async def test_one_alert_however_often_the_rule_is_broken(analytics: Instance, paytables: Paytables) -> None:
    events = deposits("ada", MAX_DEPOSITS + 8)
    await analytics.take(*events[: MAX_DEPOSITS + 3])
    another = await instance(analytics.database, paytables)
    await another.take(*events)
    await another.take(*deposits("ada", MAX_DEPOSITS + 1, NOON + timedelta(hours=3)))
    await another.take(*deposits("bob", MAX_DEPOSITS))
    (alert,) = await analytics.alerts.unpublished(10)
    assert alert.topic == "alerts"
    assert alert.event.event_id == f"velocity/ada/{NOON:%Y-%m-%d}"
    assert alert.event.player_id == "ada"
    assert alert.event.alert_raised.severity == events_pb2.AlertRaised.WARNING
    assert alert.event.alert_raised.detail == f"{MAX_DEPOSITS + 1} deposits within 10 minutes, more than {MAX_DEPOSITS}"

    await analytics.alerts.published([alert])
    assert await analytics.alert_ids() == []
    await another.take(*deposits("ada", MAX_DEPOSITS + 1, NOON + timedelta(hours=4)))
    assert await analytics.alert_ids() == []
    await another.take(*deposits("ada", MAX_DEPOSITS + 1, NOON - timedelta(days=1)))
    assert await analytics.alert_ids() == [f"velocity/ada/{NOON - timedelta(days=1):%Y-%m-%d}"]


async def test_counted_and_killed_before_the_alert(analytics: Instance, paytables: Paytables) -> None:
    events = deposits("ada", MAX_DEPOSITS + 1)
    await analytics.take(*events[:-1])
    assert await analytics.alert_ids() == []
    await analytics.tallies.count(read(events[-1]))
    await (await instance(analytics.database, paytables)).take(events[-1])
    assert await analytics.alert_ids() == [f"velocity/ada/{NOON:%Y-%m-%d}"]


async def test_a_day_is_seen_whole_by_whoever_begins_in_the_middle(analytics: Instance, paytables: Paytables) -> None:
    await analytics.take(
        moved("ada", "deposit", 20_000, NOON),
        moved("bob", "deposit", 20_000, NOON),
        moved("bob", "bet", -5_000, NOON + timedelta(minutes=5)),
    )
    later = await instance(analytics.database, paytables)
    for player_id in ("ada", "bob"):
        await later.take(moved(player_id, "withdrawal", -10_000, NOON + timedelta(hours=2)))
    # The first instance has never seen those withdrawals.
    for player_id in ("ada", "bob"):
        await analytics.take(moved(player_id, "withdrawal", -10_000, NOON + timedelta(hours=3)))
    assert await analytics.alert_ids() == [f"deposit_and_withdraw/ada/{NOON:%Y-%m-%d}"]
    (alert,) = await analytics.alerts.unpublished(10)
    assert alert.event.alert_raised.detail == "20000 withdrawn of 20000 deposited, and 0 bet, less than 10% of it"


async def test_luck_that_no_machine_gives(analytics: Instance) -> None:
    """The machine of these tests pays at most a hundredfold."""
    for number in range(30):
        await analytics.take(played("ada", 10, 400, NOON + timedelta(seconds=10 * number)))
        await analytics.take(played("bob", 10, 400 if number % 10 == 0 else 0, NOON + timedelta(seconds=10 * number)))
    (alert,) = await analytics.alerts.unpublished(10)
    assert alert.event.event_id == f"impossible_luck/ada/{NOON:%Y-%m-%d}"
    assert alert.event.alert_raised.severity == events_pb2.AlertRaised.CRITICAL


@pytest.mark.parametrize(("rounds", "alerts"), [(MAX_ROUNDS_PER_MINUTE, 0), (MAX_ROUNDS_PER_MINUTE + 1, 1)])
async def test_a_program_plays(analytics: Instance, rounds: int, alerts: int) -> None:
    await analytics.take(*(played("ada", 1, 0, NOON + timedelta(seconds=number / 3)) for number in range(rounds)))
    assert len(await analytics.alert_ids()) == alerts


async def test_instances_that_raise_the_same_alert_at_once(analytics: Instance, paytables: Paytables) -> None:
    events = deposits("ada", MAX_DEPOSITS + 1)
    await analytics.take(*events[:-1])
    others = [await instance(analytics.database, paytables) for _ in range(3)]
    await asyncio.gather(*(other.take(events[-1]) for other in others))
    assert len(await analytics.alert_ids()) == 1
