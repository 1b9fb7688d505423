"""What has become of the money: the ledger, the balances, the rounds and analytics, held against what players know."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import grpc
from pymongo import MongoClient
from reelback.v1 import analytics_pb2, analytics_pb2_grpc

from tests.chaos.players import Acknowledged

DRAIN_SECONDS = 150.0
"""Until the last round that was interrupted is swept up, and the last event has arrived."""


@dataclass(frozen=True, slots=True)
class Books:
    """What stands in the stores, and what analytics has counted. Money in minor units."""

    entries: int
    balance: int
    bets: int
    wins: int
    rounds: int
    balances: int
    counted: Totals

    def since(self, before: Books) -> Books:
        """What came after `before`."""
        ours = {
            name: getattr(self, name) - getattr(before, name)
            for name in ("entries", "balance", "bets", "wins", "rounds", "balances")
        }
        return Books(**ours, counted=self.counted.since(before.counted))


@dataclass(frozen=True, slots=True)
class Totals:
    """Analytics' own totals."""

    entries: int
    balance: int
    rounds: int
    bet: int
    win: int

    def since(self, before: Totals) -> Totals:
        """What came after `before`."""
        return Totals(*(getattr(self, name) - getattr(before, name) for name in Totals.__slots__))


def books(mongodb: str, analytics: str) -> Books:
    """Read everything. `mongodb` is a URL, `analytics` a host and port."""
    with MongoClient[dict[str, Any]](mongodb, directConnection=True, timeoutMS=60_000) as client:
        # Summed up over there: the answer stays small however long the ledger is.
        kinds = list(
            client["payment"]["ledger"].aggregate(
                [{"$group": {"_id": "$kind", "entries": {"$sum": 1}, "amount": {"$sum": "$amount"}}}]
            )
        )
        amounts = Counter({kind["_id"]: kind["amount"] for kind in kinds})
        entries = sum(kind["entries"] for kind in kinds)
        balances = sum(wallet["balance"] for wallet in client["payment"]["wallets"].find({}, {"balance": True}))
        rounds = client["game"]["rounds"].count_documents({"state": "settled"})
    with grpc.insecure_channel(analytics) as channel:
        stub = analytics_pb2_grpc.AnalyticsStub(channel)
        found = stub.GetTotals(analytics_pb2.GetTotalsRequest(), timeout=60)
    counted = Totals(found.entries, found.balance, found.rounds, found.bet, found.win)
    return Books(entries, amounts.total(), -amounts["bet"], amounts["win"], rounds, balances, counted)


def drained(mongodb: str, analytics: str, before: Books) -> Books:
    """The books since `before`, once analytics has counted them all; as they are when it does not within the limit."""
    end = time.monotonic() + DRAIN_SECONDS
    while True:
        now = books(mongodb, analytics).since(before)
        if not faults_of(now) or time.monotonic() > end:
            return now
        time.sleep(2)


def faults_of(found: Books) -> list[str]:
    """What does not agree in the books, a line each."""
    pairs = {
        "the sum of the ledger and that of the balances": (found.balance, found.balances),
        "entries of the ledger and those that analytics counted": (found.entries, found.counted.entries),
        "the sum of the ledger and that of analytics": (found.balance, found.counted.balance),
        "settled rounds and those that analytics counted": (found.rounds, found.counted.rounds),
        "bets of the ledger and those of analytics": (found.bets, found.counted.bet),
        "wins of the ledger and those of analytics": (found.wins, found.counted.win),
    }
    return [f"{what}: {left} and {right}" for what, (left, right) in pairs.items() if left != right]


def missing(mongodb: str, told: Acknowledged) -> list[str]:
    """What players were told and the ledger does not have, or not exactly once: a line each."""
    players = {played.player_id for played in told.rounds.values()} | set(told.deposits.values())
    with MongoClient[dict[str, Any]](mongodb, directConnection=True, timeoutMS=60_000) as client:
        entries = list(client["payment"]["ledger"].find({"player_id": {"$in": sorted(players)}}))
    moved = Counter((entry["kind"], entry["reference"], entry["amount"]) for entry in entries)
    deposits = Counter((entry["player_id"], entry["request_id"]) for entry in entries if entry["kind"] == "deposit")
    faults = [
        f"deposit {request_id}: in the ledger {deposits[player_id, request_id]} times"
        for request_id, player_id in told.deposits.items()
        if deposits[player_id, request_id] != 1
    ]
    for round_id, played in told.rounds.items():
        wanted = {("bet", round_id, -played.bet): 1, ("win", round_id, played.win): int(played.win > 0)}
        faults += [
            f"{kind} of round {round_id}, {amount}: in the ledger {moved[kind, reference, amount]} times"
            for (kind, reference, amount), times in wanted.items()
            if moved[kind, reference, amount] != times
        ]
    several = Counter((entry["kind"], entry["reference"]) for entry in entries if entry["kind"] in ("bet", "win"))
    return faults + [f"{kind} of round {ref}: {times} entries" for (kind, ref), times in several.items() if times > 1]
