"""How a round is played: opened, bet taken, win paid, settled; and how an interrupted one comes to its end.

Payment takes the bet and pays the win under ids made from the round's, so each step may be repeated by whoever
finds the round unfinished: the player who asks again, or the sweep.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import grpc
from pymongo.errors import PyMongoError
from reelback.v1 import payment_pb2

from reelback_game.rounds import Conflict, Round, State
from reelback_game.slots import Machine
from reelback_game.store import Rounds

if TYPE_CHECKING:  # the stubs' types exist for the type checker only
    from reelback.v1.payment_pb2_grpc import PaymentAsyncStub

SWEEP_INTERVAL = 15.0
INTERRUPTED_AGE = timedelta(seconds=60)
"""Longer than any call's deadline: nobody is still at work on a round of this age."""
SWEEP_LIMIT = 100

logger = logging.getLogger(__name__)


class Table:
    """Where players play one machine."""

    def __init__(self, machine: Machine, rng: Random, rounds: Rounds, payment: PaymentAsyncStub) -> None:
        self._machine = machine
        self._rng = rng
        self._rounds = rounds
        self._payment = payment

    async def play(self, player_id: str, request_id: str, bet: int) -> Round:
        """One round, however often it is asked for. Raises Invalid, Conflict, PyMongoError, and AioRpcError as
        payment gave it."""
        now = datetime.now(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        outcome = self._machine.spin(bet, self._rng)
        current = await self._rounds.open(Round(secrets.token_hex(12), request_id, player_id, bet, outcome, now, now))
        if current.bet != bet:
            raise Conflict(f"request_id: {request_id} was used for a bet of {current.bet}, it cannot be one of {bet}")
        if current.state is State.SETTLED:
            return current
        try:
            taken = await self._payment.Charge(_move(current, current.bet_id, bet))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
                await self._rounds.void(current)
            raise
        return await self._pay(current, taken)

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
        for current in await self._rounds.interrupted(age, SWEEP_LIMIT):
            request = payment_pb2.GetEntryRequest(player_id=current.player_id, request_id=current.bet_id)
            try:
                taken = await self._payment.GetEntry(request)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND:
                    raise
                await self._rounds.void(current)
            else:
                await self._pay(current, taken)

    async def _pay(self, current: Round, taken: payment_pb2.Entry) -> Round:
        balance = taken.balance_after
        if win := current.outcome.win:
            paid = await self._payment.Payout(_move(current, current.win_id, win))
            balance = paid.balance_after
        return await self._rounds.settle(current, balance)


def _move(current: Round, request_id: str, amount: int) -> payment_pb2.MoveRequest:
    return payment_pb2.MoveRequest(
        request_id=request_id, player_id=current.player_id, amount=amount, reference=current.round_id
    )
