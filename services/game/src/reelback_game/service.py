"""The slot machine over gRPC."""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc
from grpc import StatusCode
from pymongo.errors import ConnectionFailure
from reelback.v1 import game_pb2, game_pb2_grpc
from reelback_common import faults
from reelback_common.refusals import refusing
from reelback_telemetry.context import describe, set_player
from reelback_telemetry.operations import tag_business_operation

from reelback_game.odds import theoretical_rtp, variance
from reelback_game.rounds import Conflict, Round, check_identifier
from reelback_game.slots import ROWS, Invalid, Machine
from reelback_game.table import Table

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

REFUSALS = {Invalid: StatusCode.INVALID_ARGUMENT, Conflict: StatusCode.ALREADY_EXISTS}
UNAVAILABLE = (ConnectionFailure,)


class Game(game_pb2_grpc.GameServicer):
    """reelback.v1.Game on a machine and the table where it is played."""

    def __init__(self, machine: Machine, table: Table) -> None:
        self._table = table
        self._reels = len(machine.strips)
        self._paytable = game_pb2.Paytable(
            lines=[game_pb2.Payline(rows=line) for line in machine.lines],
            pays=[
                game_pb2.Pay(symbol=symbol, count=count, multiplier=multiplier)
                for symbol, pays in machine.pays.items()
                for count, multiplier in pays.items()
            ],
            theoretical_rtp=float(theoretical_rtp(machine)),
            game=machine.name,
            variance=float(variance(machine)),
        )

    @tag_business_operation("spin")
    async def Spin(self, request: game_pb2.SpinRequest, context: Context) -> game_pb2.Round:
        """One round; what payment refuses is answered with payment's own status."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            check_identifier("request_id", request.request_id)
            check_identifier("player_id", request.player_id)
            set_player(request.player_id)
            describe(game=self._paytable.game, feature="spin")
            await faults.inject("game.rng.cpu_ms")
            played = await self._table.play(request.player_id, request.request_id, request.bet)
        return self._message(played)

    async def ListRounds(self, request: game_pb2.ListRoundsRequest, context: Context) -> game_pb2.ListRoundsResponse:
        """The newest settled rounds first."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            check_identifier("player_id", request.player_id)
            if not 0 <= request.limit <= 500:
                raise Invalid(f"limit: must be from 0 to 500, not {request.limit}")
            rounds = await self._table.newest(request.player_id, request.limit or 50)
        return game_pb2.ListRoundsResponse(rounds=[self._message(played) for played in rounds])

    async def GetPaytable(self, request: game_pb2.GetPaytableRequest, context: Context) -> game_pb2.Paytable:
        """What the machine pays."""
        return self._paytable

    def _message(self, played: Round) -> game_pb2.Round:
        outcome = played.outcome
        message = game_pb2.Round(
            round_id=played.round_id,
            request_id=played.request_id,
            player_id=played.player_id,
            bet=played.bet,
            win=outcome.win,
            symbols=outcome.window,
            rows=ROWS,
            reels=self._reels,
            wins=[
                game_pb2.LineWin(line=win.line, symbol=win.symbol, count=win.count, amount=win.amount)
                for win in outcome.wins
            ],
            balance_after=played.balance_after,
        )
        message.played_at.FromDatetime(played.played_at)
        return message
