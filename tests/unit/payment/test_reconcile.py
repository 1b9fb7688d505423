"""`python -m reelback_payment.reconcile`: silent about what is in order, and exact about what is not."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from pymongo.asynchronous.database import AsyncDatabase
from reelback_common import mongo
from reelback_common.mongo import Document
from reelback_payment import reconcile
from reelback_payment.outbox import PaymentOutbox
from reelback_payment.reconcile import Books
from reelback_payment.store import Wallets
from reelback_payment.wallet import Kind, Move
from rich.progress import Progress

from tests.unit import services
from tests.unit.common.ports import free_port
from tests.unit.payment.books import reconciled

Damage = Callable[[AsyncDatabase[Document]], Any]


@pytest.fixture
async def database(mongodb_url: str) -> AsyncIterator[AsyncDatabase[Document]]:
    async with services.database(mongodb_url) as opened:
        await Wallets(opened).ready()
        yield opened


async def play(database: AsyncDatabase[Document], player: str) -> None:
    """Four entries: three in the ledger, one pending."""
    wallets = Wallets(database)
    await wallets.move(Move("d", player, Kind.DEPOSIT, 100))
    await wallets.move(Move("b", player, Kind.BET, 30))
    await wallets.move(Move("w", player, Kind.WIN, 5))
    outbox = PaymentOutbox(database)
    await outbox.published(await outbox.unpublished(100))
    await wallets.move(Move("c", player, Kind.BET, 10))


async def differences(database: AsyncDatabase[Document]) -> dict[str, list[str]]:
    return (await Books(database).reconcile(Progress(disable=True))).differences


async def test_books_in_order_are_counted(database: AsyncDatabase[Document]) -> None:
    for player in ("ada", "bob"):
        await play(database, player)
    await Wallets(database).limits("nobody")
    totals = await reconciled(database)
    assert (totals.wallets, totals.entries) == (2, 8)
    assert (totals.money_in, totals.money_out, totals.balances) == (210, 80, 130)


@pytest.mark.parametrize(
    ("damage", "lines"),
    [
        (
            lambda it: it["wallets"].update_one({"_id": "ada"}, {"$set": {"balance": 66}}),
            ["balance: expected 65, found 66"],
        ),
        (
            lambda it: it["ledger"].delete_one({"_id": "ada/b"}),
            [
                "entry 2: expected, found none",
                "entry 3: balance after it: expected 105, found 75",
                "balance: expected 95, found 65",
            ],
        ),
        (
            lambda it: it["ledger"].update_one({"_id": "ada/b"}, {"$set": {"amount": -31}}),
            ["entry 2: balance after it: expected 69, found 70", "balance: expected 64, found 65"],
        ),
        (
            lambda it: it["wallets"].update_one({"_id": "ada"}, {"$set": {"pending": []}}),
            ["entry 4: expected, found none", "balance: expected 75, found 65"],
        ),
        (
            lambda it: it["wallets"].update_one({"_id": "ada"}, {"$set": {"sequence": 3, "balance": 75}}),
            ["sequence: expected 4, found 3", "balance: expected 65, found 75"],
        ),
        (
            lambda it: it["wallets"].update_one(
                {"_id": "ada"}, {"$set": {"sequence": 2, "balance": 70, "pending": []}}
            ),
            ["entry 3: expected none, found one in the ledger"],
        ),
        (
            lambda it: it["wallets"].update_one({"_id": "ada"}, {"$set": {"pending.0.request_id": "d"}}),
            ["entry 4: request d has moved money before"],
        ),
    ],
)
async def test_what_differs_is_named(database: AsyncDatabase[Document], damage: Damage, lines: list[str]) -> None:
    for player in ("bob", "ada"):
        await play(database, player)
    await damage(database)
    assert await differences(database) == {"ada": lines}


async def test_players_may_play_meanwhile(database: AsyncDatabase[Document], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "ENTRIES", 7)
    await Wallets(database).move(Move("d", "ada", Kind.DEPOSIT, 1000))
    ended = asyncio.Event()

    async def bets() -> None:
        number = 0
        while not ended.is_set():
            await Wallets(database).move(Move(f"b{number}", "ada", Kind.BET, 1))
            number += 1

    async def publishing() -> None:
        outbox = PaymentOutbox(database)
        while not ended.is_set():
            await outbox.published(await outbox.unpublished(100))

    async with asyncio.TaskGroup() as group:
        group.create_task(bets())
        group.create_task(publishing())
        counted = [(await reconciled(database)).entries for _ in range(30)]
        ended.set()
    assert sorted(counted) == counted
    assert counted[-1] > counted[0]


def run(mongodb_url: str, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command or [sys.executable, "-m", "reelback_payment.reconcile"],
        env={**os.environ, "MONGODB_URL": mongodb_url, **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def test_the_command(mongodb_url: str) -> None:
    """Its database is payment's own, which other tests of this run use as well."""
    database = mongo.connect(mongodb_url, "payment")
    player = f"reconciled-{os.getpid()}"
    try:
        await Wallets(database).ready()
        await play(database, player)
        clean = await asyncio.to_thread(run, mongodb_url)
        assert clean.returncode == 0, clean.stdout
        assert [line.split("  ")[0] for line in clean.stdout.splitlines()[:5]] == [
            "wallets",
            "entries",
            "money in",
            "money out",
            "balances",
        ]
        assert clean.stderr == ""

        await database["wallets"].update_one({"_id": player}, {"$inc": {"balance": 1}})
        different = await asyncio.to_thread(run, mongodb_url)
        assert different.returncode == 1
        assert different.stdout.splitlines()[5:] == [
            f"{player}: balance: expected 65, found 66",
            "1 account differs",
        ]
    finally:
        await database["wallets"].update_one({"_id": player}, {"$set": {"balance": 65}})
        await database.client.close()


def test_a_store_that_does_not_answer_is_one_line() -> None:
    away = run(f"mongodb://127.0.0.1:{free_port()}")
    assert (away.returncode, away.stdout) == (2, "")
    assert away.stderr == "the document store does not answer: ServerSelectionTimeoutError\n"


def test_a_local_stack_that_does_not_run_is_one_line(tmp_path: Path) -> None:
    reelback = str(Path(sys.executable).with_name("reelback"))
    away = run("mongodb://127.0.0.1:1", reelback, "reconcile", REELBACK_HOME=str(tmp_path))
    assert (away.returncode, away.stdout) == (2, "")
    assert away.stderr == "the local stack is not running: start it with `reelback up`\n"
