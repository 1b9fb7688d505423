"""What game says of its machines, when it says it."""

from __future__ import annotations

import pytest
from reelback.v1 import game_pb2
from reelback.v1.game_pb2_grpc import GameStub
from reelback_analytics import paytables
from reelback_analytics.luck import Machine
from reelback_analytics.paytables import Paytables, machine_of
from reelback_common import client
from reelback_game.odds import theoretical_rtp, variance
from reelback_game.slots import CLASSIC

from tests.unit.analytics.processes import game
from tests.unit.common.kafka_parts import beside
from tests.unit.common.ports import free_port
from tests.unit.common.waiting import until


async def test_it_is_asked_until_it_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paytables, "UNKNOWN_SECONDS", 0.05)
    port = free_port()
    async with client.connect(f"ipv4:127.0.0.1:{port}") as channel:
        known = Paytables(GameStub(channel))

        async def answered() -> bool:
            return "classic" in known.machines

        async with beside(known.run()):
            with pytest.raises(AssertionError):
                await until(answered, 0.5)
            async with game(port):
                await until(answered)
            most = max(multiplier for pays in CLASSIC.pays.values() for multiplier in pays.values())
            assert known.machines["classic"] == Machine(float(theoretical_rtp(CLASSIC)), float(variance(CLASSIC)), most)


@pytest.mark.parametrize(
    "paytable",
    [
        game_pb2.Paytable(game="classic", variance=1, theoretical_rtp=1),
        game_pb2.Paytable(game="classic", pays=[game_pb2.Pay(multiplier=5)]),
        game_pb2.Paytable(game="classic", pays=[game_pb2.Pay(multiplier=5)], variance=float("nan")),
        game_pb2.Paytable(pays=[game_pb2.Pay(multiplier=5)], variance=1),
    ],
)
def test_a_paytable_of_an_older_release_says_too_little(paytable: game_pb2.Paytable) -> None:
    with pytest.raises(ValueError, match="no game, no pays or no variance"):
        machine_of(paytable)
