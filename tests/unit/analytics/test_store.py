"""Counting on a real store: copies, concurrent instances, lost answers, old minutes."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from pymongo.errors import AutoReconnect
from reelback_analytics import retention as retiring
from reelback_analytics.paytables import Paytables
from reelback_analytics.retention import RETENTION
from reelback_analytics.store import MAX_AGE, Contention, Tallies
from reelback_analytics.tally import Money, Play, read
from reelback_common.consumer import Poison

from tests.unit.analytics.conftest import Instance, instance
from tests.unit.analytics.making import failed, moved, played, registered

NOW = datetime.now(UTC)


async def test_copies_count_once_whoever_counts_them(analytics: Instance, paytables: Paytables) -> None:
    events = [
        *(played("ada", 20, 10 * number, NOW - timedelta(seconds=20 * number)) for number in range(8)),
        *(moved("ada", "bet", -20, NOW - timedelta(seconds=20 * number)) for number in range(8)),
        *(moved("bob", "deposit", 2**26, NOW) for _ in range(40)),  # together more than 32 bits
        failed("bob", "ERROR", NOW),
        registered("bob", NOW),
    ]
    copies = events * 3
    Random(1).shuffle(copies)
    for number in range(0, len(copies), 30):
        await analytics.take(*copies[number : number + 30])
        analytics = await instance(analytics.database, paytables)  # as after a crash

    totals = await analytics.retention.totals()
    assert totals.games == {"classic": Play(8, 7, 160, 280, 8 * 400.0, 20)}
    assert totals.money == Money(
        entries=48, balance=40 * 2**26 - 160, settled=48, failed=1, deposits=40, deposited=40 * 2**26, wagered=160
    )
    assert totals.accounts.changes == 1


async def test_instances_that_count_the_same_player_at_once(analytics: Instance) -> None:
    """As while partitions change hands: one still works on what another one has been given."""
    tallies = [read(played("ada", 10, 10, NOW)) for _ in range(15)]
    fresh = []

    async def count(instance: Tallies, seed: int) -> None:
        for tally in Random(seed).sample(tallies, len(tallies)):
            while True:
                try:
                    fresh.append((await instance.count(tally)).fresh)
                    break
                except Contention:
                    continue

    await asyncio.gather(*(count(Tallies(analytics.database), seed) for seed in range(4)))
    assert (fresh.count(True), len(fresh)) == (15, 60)
    assert (await analytics.retention.totals()).games["classic"].bet == 150


async def test_a_lost_answer_counts_once_in_the_store_and_in_the_live_figures(
    analytics: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    event, swap = played("ada", 10, 30, NOW), Tallies._swap

    async def answer_is_lost(*args: object) -> bool:
        await swap(*args)  # type: ignore[arg-type]
        raise AutoReconnect("connection closed")

    with monkeypatch.context() as broken:
        broken.setattr(Tallies, "_swap", answer_is_lost)
        with pytest.raises(AutoReconnect):
            await analytics.take(event)
    await analytics.take(event, event)
    assert (await analytics.retention.totals()).games["classic"].rounds == 1
    assert analytics.live.figures({}, NOW).games["classic"].total.rounds == 1


async def test_what_is_too_old_or_says_nothing_is_poison(analytics: Instance) -> None:
    with pytest.raises(Poison, match="occurred_at: is more than 30 days ago"):
        await analytics.take(played("ada", 1, 1, NOW - MAX_AGE - timedelta(minutes=1)))
    with pytest.raises(Poison, match=r"round_settled\.bet"):
        await analytics.take(played("ada", 0, 1, NOW))
    await analytics.take(played("ada", 1, 1, NOW - MAX_AGE + timedelta(hours=2)))
    assert (await analytics.retention.totals()).games["classic"].rounds == 1


async def aged(analytics: Instance) -> datetime:
    """Some days of play; the moment at which the first two of them are old."""
    events = [
        made
        for day in range(5)
        for player_id in ("ada", "bob")
        for made in (
            played(player_id, 10 + day, 5, NOW - timedelta(days=day)),
            moved(player_id, "win", 5, NOW - timedelta(days=day)),
        )
    ]
    await analytics.take(*events, registered("ada", NOW - timedelta(days=4)))
    return NOW + RETENTION - timedelta(days=2, hours=12)


async def test_old_minutes_go_and_the_totals_stay(analytics: Instance) -> None:
    now = await aged(analytics)
    before = await analytics.retention.totals()
    assert before.games["classic"].max_bet == 14
    for _ in range(2):
        await analytics.retention.retire(now)
        assert await analytics.retention.totals() == before
    assert await analytics.database["bets"].count_documents({}) == 6
    assert await analytics.database["users"].count_documents({}) == 0
    await analytics.retention.retire(now + timedelta(days=40))
    assert await analytics.retention.totals() == before
    assert await analytics.database["bets"].count_documents({}) == 0


@pytest.mark.parametrize("deletions", range(4))
async def test_a_crash_between_adding_and_deleting_changes_no_total(
    analytics: Instance, monkeypatch: pytest.MonkeyPatch, deletions: int
) -> None:
    now = await aged(analytics)
    before = await analytics.retention.totals()
    add, added = analytics.retention._add, 0

    async def add_and_crash(*args: object) -> None:
        nonlocal added
        await add(*args)  # type: ignore[arg-type]
        added += 1
        if added > deletions:
            raise RuntimeError("killed")

    # A total that is asked for now finds the same documents old as retiring does.
    monkeypatch.setattr(retiring, "RETENTION", NOW - now + RETENTION)
    with monkeypatch.context() as crashing:
        crashing.setattr(analytics.retention, "_add", add_and_crash)
        with pytest.raises(RuntimeError):
            await analytics.retention.retire(NOW)
    assert await analytics.retention.totals() == before
    await analytics.retention.retire(NOW)
    assert await analytics.retention.totals() == before
    assert await analytics.database["bets"].count_documents({}) == 6
