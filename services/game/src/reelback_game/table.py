"""How a round is played: opened, bet taken, win paid, settled, told; and how an interrupted one comes to its end.

Payment takes the bet and pays the win under ids made from the round's, so each step may be repeated by whoever
finds the round unfinished: the player who asks again, or the sweep.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import grpc
from pymongo.errors import PyMongoError
from reelback.v1 import payment_pb2
from reelback_common.events import Outgoing
from reelback_telemetry.messaging import trace_headers

from reelback_game.rounds import Conflict, Round, State, round_id
from reelback_game.slots import Machine
from reelback_game.store import Rounds

if TYPE_CHECKING:  # the stubs' types exist for the type checker only
    from reelback.v1.payment_pb2_grpc import PaymentAsyncStub

SWEEP_INTERVAL = 15.0
INTERRUPTED_AGE = timedelta(seconds=60)
"""Longer than any call's deadline: nobody is still at work on a round of this age."""
SWEEP_LIMIT = 100
NEWEST_PAGE = 50
"""At least so many entries of the ledger are looked at together."""

logger = logging.getLogger(__name__)


class Table:
    """Where players play one machine. `offer` is told of every round that is settled."""

    def __init__(
        self,
        machine: Machine,
        rng: Random,
        rounds: Rounds,
        payment: PaymentAsyncStub,
        offer: Callable[[Outgoing], None],
    ) -> None:
        self._machine = machine
        self._rng = rng
        self._rounds = rounds
        self._payment = payment
        self._offer = offer

    async def play(self, player_id: str, request_id: str, bet: int) -> Round:
        """One round, however often it is asked for. Raises Invalid, Conflict, PyMongoError, and AioRpcError as
        payment gave it."""
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        fresh = Round(
            round_id=round_id(player_id, request_id),
            request_id=request_id,
            player_id=player_id,
            game=self._machine.name,
            bet=bet,
            outcome=self._machine.spin(bet, self._rng),
            played_at=now,
            attempted_at=now,
            headers=trace_headers(),
        )
        current = await self._rounds.open(fresh)
        if current.bet != bet:
            raise Conflict(f"request_id: {request_id} was used for a bet of {current.bet}, it cannot be one of {bet}")
        if current.state is State.SETTLED:
            return current
        # Refused or failed, the round stays open: another attempt may be about to succeed. The sweep asks later.
        return await self._pay(current, await self._payment.Charge(_move(current, current.bet_id, bet)))

    async def newest(self, player_id: str, limit: int) -> list[Round]:
        """The settled rounds of a player, the newest first: the ledger says how far the player has come, and rounds
        are looked up by where their bets are in it. Raises PyMongoError and AioRpcError."""
        request = payment_pb2.ListEntriesRequest(player_id=player_id, limit=1)
        last = [entry.sequence async for entry in self._payment.ListEntries(request)]
        found: list[Round] = []
        upper = last[0] if last else 0
        while upper > 0 and len(found) < limit:
            lower = max(upper - max(2 * limit, NEWEST_PAGE), 0)
            found += await self._rounds.at(player_id, range(upper, lower, -1))
            upper = lower
        return found[:limit]

    async def sweep(self) -> None:
        """Bring interrupted rounds to their end, again and again, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_INTERVAL)
            try:
                await self.finish_interrupted(INTERRUPTED_AGE)
            except (PyMongoError, grpc.aio.AioRpcError) as error:
                logger.warning("interrupted rounds have to wait: %s", type(error).__name__)

    async def finish_interrupted(self, age: timedelta) -> None:
        """Pay what rounds opened `age` ago have won if their bet was taken; else they never happened."""
        full = True
        while full:
            found = await self._rounds.interrupted(age, SWEEP_LIMIT)
            for current in found:
                await self._finish(current)
            full = len(found) == SWEEP_LIMIT

    async def _finish(self, current: Round) -> None:
        request = payment_pb2.GetEntryRequest(player_id=current.player_id, request_id=current.bet_id)
        try:
            taken = await self._payment.GetEntry(request)
        except grpc.aio.AioRpcError as error:
            if error.code() is not grpc.StatusCode.NOT_FOUND:
                raise
            await self._rounds.drop(current)
        else:
            await self._pay(current, taken)

    async def _pay(self, current: Round, taken: payment_pb2.Entry) -> Round:
        balance = taken.balance_after
        if win := current.outcome.win:
            paid = await self._payment.Payout(_move(current, current.win_id, win))
            balance = paid.balance_after
        played = replace(current, state=State.SETTLED, balance_after=balance, sequence=taken.sequence)
        settled = await self._rounds.settle(played)
        self._offer(settled.settled_event())
        return settled


def _move(current: Round, request_id: str, amount: int) -> payment_pb2.MoveRequest:
    return payment_pb2.MoveRequest(
        request_id=request_id, player_id=current.player_id, amount=amount, reference=current.round_id
    )
