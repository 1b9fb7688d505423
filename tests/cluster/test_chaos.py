"""No pod that is deleted under load costs or makes a coin: `make chaos`, with pods instead of processes."""

from __future__ import annotations

import asyncio
import secrets

import pytest

from tests.chaos import campaign
from tests.chaos.pods import Pods

SECONDS = 60.0


@pytest.mark.timeout(900)
def test_no_deleted_pod_loses_or_doubles_money(capsys: pytest.CaptureFixture[str]) -> None:
    with Pods() as pods:
        for name in (*campaign.VICTIMS, "analytics", "gateway"):
            assert pods.back(name), f"{name} is not ready"
        result = asyncio.run(campaign.run(pods, SECONDS, secrets.randbelow(1_000_000), lambda _: None))
    with capsys.disabled():
        print("", *result.lines(), sep="\n")
    assert result.faults == []
    assert set(result.kills) == set(campaign.VICTIMS)
    assert len(result.told.rounds) > 100
