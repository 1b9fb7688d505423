"""Analytics as a process on a real broker: killed at work, and started before the broker."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import grpc
import pytest
from confluent_kafka import Message
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import analytics_pb2, events_pb2
from reelback.v1.analytics_pb2_grpc import AnalyticsStub
from reelback_analytics.rules import MAX_DEPOSITS
from reelback_common import kafka
from reelback_common.mongo import Document

from tests.unit.analytics.making import failed, moved, played, registered
from tests.unit.analytics.processes import ALL, calling, events_of, process, publish, serves, variables
from tests.unit.common.broker import Broker
from tests.unit.common.kafka_parts import read_all
from tests.unit.common.waiting import until


def a_minute_of_play(players: int, rounds: int) -> list[events_pb2.Event]:
    start, random, made = datetime.now(UTC) - timedelta(minutes=3), Random(1), []
    for player in (f"player-{number}" for number in range(players)):
        made.append(registered(player, start))
        made.append(moved(player, "deposit", 10_000, start))
        for number in range(rounds):
            at, win = start + timedelta(seconds=number), random.choice([0, 0, 30])
            made.append(moved(player, "bet", -10, at))
            made += [moved(player, "win", win, at)] if win else [failed(player, "ERROR", at)]
            made.append(played(player, 10, win, at))
    return made


def reason(letter: Message) -> str:
    headers = letter.headers()
    assert isinstance(headers, list)
    (why,) = [value for name, value in headers if name == "dead-letter-reason"]
    assert isinstance(why, bytes)
    return why.decode()


@pytest.mark.timeout(240)
async def test_killed_at_work_and_every_event_counts_once(
    broker: Broker, mongodb_url: str, own: AsyncDatabase[Document], tmp_path: Path
) -> None:
    broker.start()
    kafka.create_topics(broker.url, ALL)
    events = a_minute_of_play(players=4, rounds=25)
    today = datetime.now(UTC)
    events += [moved("mule", "deposit", 100, today) for _ in range(MAX_DEPOSITS + 4)]
    out_of_order = events + Random(2).sample(events, len(events) // 3)
    Random(3).shuffle(out_of_order)
    await publish(broker, out_of_order)
    with kafka.Publisher(broker.url) as publisher:
        await publisher.send([kafka.Record("bets", b"player-1", b"\xff\xff", [])])
    await publish(broker, [played("player-1", 0, 0), played("player-1", 10, 0, datetime(2020, 1, 1, tzinfo=UTC))])
    await publish(broker, [played("last", 10, 0)])
    counts = {"bets": 4 * 25 + 1, "payments": 4 * 51 + MAX_DEPOSITS + 4, "users": 4}

    refused = {
        "Poison: the bytes are no Event",
        "Poison: round_settled.bet: must be from 1 to 100000000, not 0",
        "Poison: occurred_at: is more than 30 days ago",
    }
    settings, log = variables(broker, mongodb_url), tmp_path / "log"
    async with calling(settings) as channel:
        for part in (1, 2):

            async def at_work(part: int = part) -> bool:
                documents = await own["payments"].find({}, {"version": True}).to_list()
                return sum(int(document["version"]) for document in documents) > counts["payments"] * part // 3

            with process(settings, log) as running:
                await until(at_work, 60)
                running.send_signal(signal.SIGKILL)
                running.wait()
        with process(settings, log) as running:

            async def all_counted() -> bool:
                return await serves(channel) and await events_of(channel) == counts

            await until(all_counted, 60)
            totals = await AnalyticsStub(channel).GetTotals(analytics_pb2.GetTotalsRequest())
            rounds = [event.round_settled for event in events if event.HasField("round_settled")]
            moves = [event.money_moved.entry.amount for event in events if event.HasField("money_moved")]
            assert totals.rounds == len(rounds) + 1
            assert totals.bet == sum(round_.bet for round_ in rounds) + 10
            assert totals.win == sum(round_.win for round_ in rounds)
            assert (totals.entries, totals.balance) == (len(moves), sum(moves))

            async def all_told() -> bool:
                letters = await asyncio.to_thread(read_all, broker.url, "dead-letters", 10, 5)
                alerts = await asyncio.to_thread(read_all, broker.url, "alerts", 10, 5)
                ids = {events_pb2.Event.FromString(alert.value() or b"").event_id for alert in alerts}
                return {reason(letter) for letter in letters} == refused and ids == {f"velocity/mule/{today:%Y-%m-%d}"}

            await until(all_told, 60)
            running.terminate()
            assert await asyncio.to_thread(running.wait, 20) == 0, log.read_text()


@pytest.mark.usefixtures("own")
async def test_it_comes_up_without_a_broker_and_catches_up(broker: Broker, mongodb_url: str, tmp_path: Path) -> None:
    settings = variables(broker, mongodb_url)
    with process(settings, tmp_path / "log"):
        async with calling(settings) as channel:

            async def answers() -> bool:
                try:
                    return await events_of(channel) == {"bets": 0, "payments": 0, "users": 0}
                except grpc.aio.AioRpcError:
                    return False

            await until(answers, 30)
            assert not await serves(channel)
            await asyncio.to_thread(broker.start)
            await until(lambda: serves(channel), 30)
            await publish(broker, [registered("ada"), played("ada", 10, 0)])

            async def counted() -> bool:
                return await events_of(channel) == {"bets": 1, "payments": 0, "users": 1}

            await until(counted, 30)


A_TASK_DIES = """
import runpy
from reelback_analytics.paytables import Paytables

async def die(self):
    raise RuntimeError("a mistake")

Paytables.run = die
runpy.run_module("reelback_analytics", run_name="__main__", alter_sys=True)
"""


async def test_a_task_that_dies_ends_the_process(broker: Broker, mongodb_url: str) -> None:
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", A_TASK_DIES, env={**os.environ, **variables(broker, mongodb_url)}, stderr=subprocess.PIPE
    )
    async with asyncio.timeout(60):
        _, errors = await running.communicate()
    assert running.returncode == 1
    assert b"RuntimeError: a mistake" in errors
