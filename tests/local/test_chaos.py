"""No server that is killed under load costs or makes a coin: the short form of `make chaos`."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from tests.chaos import campaign
from tests.chaos.processes import Processes
from tests.local.stack import Stack

SECONDS = 15.0


@pytest.mark.timeout(420)
def test_no_killed_server_loses_or_doubles_money(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Stack.running(tmp_path / "stack") as stack:
        seed = secrets.randbelow(1_000_000)
        result = asyncio.run(campaign.run(Processes(stack), SECONDS, seed, lambda _: None))
    with capsys.disabled():
        print("", *result.lines(), sep="\n")
    assert result.faults == []
    assert set(result.kills) == set(campaign.VICTIMS)
    assert len(result.told.rounds) > 50
