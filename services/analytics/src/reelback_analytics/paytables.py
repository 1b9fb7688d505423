"""What game says of its machines."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import grpc
from reelback.v1 import game_pb2

from reelback_analytics.luck import Machine

if TYPE_CHECKING:  # the stubs' types exist for the type checker only
    from reelback.v1.game_pb2_grpc import GameAsyncStub

UNKNOWN_SECONDS, KNOWN_SECONDS = 2.0, 300.0
"""How long until game is asked again, when it has not answered and when it has: a release may change its pays."""

TIMEOUT = 2.0

logger = logging.getLogger(__name__)


class Paytables:
    """The machines that are known, by game. Everything else goes on without them."""

    def __init__(self, game: GameAsyncStub) -> None:
        self._game = game
        self._machines: dict[str, Machine] = {}

    @property
    def machines(self) -> Mapping[str, Machine]:
        """What game has said so far."""
        return self._machines

    async def run(self) -> None:
        """Ask, again and again, until cancelled."""
        while True:
            try:
                paytable = await self._game.GetPaytable(game_pb2.GetPaytableRequest(), timeout=TIMEOUT)
                self._machines[paytable.game] = machine_of(paytable)
                await asyncio.sleep(KNOWN_SECONDS)
            except (grpc.aio.AioRpcError, ValueError) as error:
                reason = error.code().name if isinstance(error, grpc.aio.AioRpcError) else str(error)
                logger.info("the paytable is not known yet: %s", reason)
                await asyncio.sleep(UNKNOWN_SECONDS)


def machine_of(paytable: game_pb2.Paytable) -> Machine:
    """ValueError when it lacks what is needed.

    A multiplier is in units of a line's bet, and all lines have the same: if all of them paid the most, a round would
    return that many times its bet.
    """
    most = max((pay.multiplier for pay in paytable.pays), default=0)
    if not paytable.game or most <= 0 or not 0 < paytable.variance < math.inf:
        raise ValueError("it names no game, no pays or no variance")
    return Machine(paytable.theoretical_rtp, paytable.variance, float(most))
