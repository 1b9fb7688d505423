"""Withdrawals that wait: found, decided on once, and written down whatever happens in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import audit_pb2, payment_pb2
from reelback.v1.audit_pb2_grpc import AuditStub
from reelback.v1.payment_pb2_grpc import PaymentStub
from reelback_common.mongo import Document
from reelback_common.staff.audit import Asked, AuditLog
from reelback_payment.store import Wallets
from reelback_payment.wallet import INSTANT_WITHDRAWAL, Kind, Move

from tests.unit import services
from tests.unit.payment.books import reconciled
from tests.unit.payment.test_store import publish

LARGE = INSTANT_WITHDRAWAL + 1


@pytest.fixture
async def database(mongodb_url: str) -> AsyncIterator[AsyncDatabase[Document]]:
    async with services.database(mongodb_url) as opened:
        yield opened


@pytest.fixture
async def bank(database: AsyncDatabase[Document]) -> AsyncIterator[Bank]:
    async with services.payment(Wallets(database)) as channel:
        yield Bank(database, PaymentStub(channel), AuditStub(channel))


class Bank:
    """Payment, its log, and what lies beneath."""

    def __init__(self, database: AsyncDatabase[Document], payment: Any, audit: Any) -> None:
        self.database = database
        self.payment = payment
        self.audit = audit

    async def withdraw(self, request_id: str, amount: int = LARGE, player_id: str = "p") -> None:
        move = payment_pb2.MoveRequest(request_id=request_id, player_id=player_id, amount=amount)
        await self.payment.Withdraw(move)

    async def deposit(self, amount: int, player_id: str = "p") -> None:
        move = payment_pb2.MoveRequest(request_id=f"d-{time.monotonic_ns()}", player_id=player_id, amount=amount)
        await self.payment.Deposit(move)

    async def decide(self, request_id: str, decision: payment_pb2.Decision, session_id: str = services.DECIDER) -> Any:
        request = payment_pb2.DecideRequest(
            request_id=request_id, player_id="p", decision=decision, session_id=session_id
        )
        return await self.payment.Decide(request)

    async def waiting(self) -> list[str]:
        answer = await self.payment.ListWaiting(payment_pb2.ListWaitingRequest())
        return [transfer.entry.request_id for transfer in answer.transfers]

    async def log(self) -> list[tuple[str, str]]:
        page = await self.audit.ListDecisions(audit_pb2.ListDecisionsRequest())
        return [(it.action, audit_pb2.Outcome.Name(it.outcome).removeprefix("OUTCOME_")) for it in page.records]


async def test_only_large_withdrawals_wait_until_they_are_decided(bank: Bank) -> None:
    await bank.deposit(5 * LARGE)
    await bank.withdraw("small", INSTANT_WITHDRAWAL)
    for request_id in ("a", "b", "a"):
        await bank.withdraw(request_id)
    assert await bank.waiting() == ["a", "b"]
    await publish(bank.database)  # entries leave their wallets for the ledger, and it is all the same
    assert await bank.waiting() == ["a", "b"]
    settled = await bank.decide("a", payment_pb2.DECISION_SETTLE)
    assert settled.decided_by == "staff-finance"
    assert await bank.waiting() == ["b"]
    await bank.withdraw("a")
    assert await bank.waiting() == ["b"]
    assert await bank.database["waiting"].count_documents({}) == 1
    await reconciled(bank.database)


async def test_what_did_not_come_to_be_does_not_wait(bank: Bank) -> None:
    await bank.deposit(LARGE - 1)
    with pytest.raises(grpc.aio.AioRpcError):
        await bank.withdraw("a")
    assert await bank.database["waiting"].count_documents({}) == 0


async def test_a_withdrawal_waits_from_before_it_is_taken(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that dies between the two leaves a row too much, which goes, and never one too little."""
    wallets = Wallets(bank.database)
    await bank.deposit(LARGE)

    async def dies(*_: Any) -> bool:
        raise asyncio.CancelledError

    monkeypatch.setattr(wallets, "_swap", dies)
    with pytest.raises(asyncio.CancelledError):
        await wallets.move(Move("a", "p", Kind.WITHDRAWAL, LARGE))
    rows = bank.database["waiting"]
    assert await rows.count_documents({}) == 1
    assert await bank.waiting() == []
    assert await rows.count_documents({}) == 1  # it may only be about to wait
    await bank.withdraw("a")
    assert await bank.waiting() == ["a"]

    await rows.insert_one({"_id": "p/never", "place": f"{0:013d}/p/never"})
    assert await bank.waiting() == ["a"]
    assert [row["_id"] async for row in rows.find()] == ["p/a"]


async def test_decisions_need_a_session_with_the_role_whoever_calls(bank: Bank) -> None:
    await bank.deposit(LARGE)
    await bank.withdraw("a")
    for session_id, code in (
        ("", StatusCode.UNAUTHENTICATED),
        ("of viewer", StatusCode.PERMISSION_DENIED),
        ("of support", StatusCode.PERMISSION_DENIED),
        ("of nobody", StatusCode.PERMISSION_DENIED),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await bank.decide("a", payment_pb2.DECISION_SETTLE, session_id)
        assert caught.value.code() is code
    assert (await bank.waiting(), await bank.log()) == (["a"], [])


async def test_the_log_has_every_decision_and_what_came_of_it(bank: Bank) -> None:
    await bank.deposit(LARGE)
    await bank.withdraw("a")
    await bank.decide("a", payment_pb2.DECISION_REJECT)
    await bank.decide("a", payment_pb2.DECISION_REJECT)
    with pytest.raises(grpc.aio.AioRpcError):
        await bank.decide("a", payment_pb2.DECISION_SETTLE)
    assert await bank.log() == [
        ("withdrawal settled", "REFUSED"),
        ("withdrawal rejected", "BEFORE"),
        ("withdrawal rejected", "DONE"),
    ]


async def test_a_decision_that_a_crash_interrupts_is_in_the_log_without_an_outcome(bank: Bank) -> None:
    log = AuditLog(bank.database)

    async def interrupted() -> None:
        async with log.decision(Asked("staff", "withdrawal settled", "p", "a"), ()):
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await interrupted()
    assert await bank.log() == [("withdrawal settled", "UNSPECIFIED")]


async def test_nothing_of_the_log_is_ever_changed(bank: Bank) -> None:
    await bank.deposit(2 * LARGE)
    for request_id in ("a", "b"):
        await bank.withdraw(request_id)
    await bank.decide("a", payment_pb2.DECISION_SETTLE)
    collections = [bank.database["audit"], bank.database["audit_outcomes"]]
    before = [await it.find().to_list() for it in collections]
    await bank.decide("a", payment_pb2.DECISION_SETTLE)
    await bank.decide("b", payment_pb2.DECISION_REJECT)
    for there, collection in zip(before, collections, strict=True):
        after = await collection.find().to_list()
        assert after[: len(there)] == there
        assert len(after) == 3


async def test_a_page_of_many_that_wait_and_of_a_long_log_is_quick(bank: Bank) -> None:
    await bank.deposit(2 * LARGE)
    await bank.withdraw("first")
    now = int(datetime.now(UTC).timestamp() * 1000) + 1000
    many = 10_000
    rows = [{"_id": f"p/r{it}", "place": f"{now + it:013d}/p/r{it}"} for it in range(many)]
    asked = {"at": datetime.now(UTC), "by": "s", "action": "kyc verified", "player_id": "p", "request_id": ""}
    for start in range(0, many, 1000):
        await bank.database["waiting"].insert_many(rows[start : start + 1000])
        await bank.database["audit"].insert_many([{"_id": it, **asked} for it in range(start + 1, start + 1001)])
    await bank.database["counters"].update_one({"_id": "audit"}, {"$set": {"last": many}}, upsert=True)
    started = time.perf_counter()
    assert await bank.waiting() == ["first"]
    waiting = time.perf_counter() - started
    started = time.perf_counter()
    assert len(await bank.log()) == 50
    log = time.perf_counter() - started
    print(f"waiting {waiting * 1000:.0f} ms, log {log * 1000:.0f} ms")
    assert waiting < 2
    assert log < 1
