"""Profiles of a process: sent where they are asked for, with the functions in which it spends its time."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from reelback_telemetry import sampling, sdk

from tests.unit.common import collector as collecting

BUSY = """
import sys, time
from reelback_telemetry import sdk

def burn():
    end = time.monotonic() + 1
    while time.monotonic() < end:
        pass

asked = {"profile_rate": float(sys.argv[2])} if len(sys.argv) > 2 else {}
with sdk.start("busy", release="busy@1.0.0", environment="test", dsn=sys.argv[1], in_app=["__main__"], **asked):
    burn()
"""


def chunks(*rate: str) -> list[dict[str, Any]]:
    """What a process sends that is busy for a second."""
    with collecting.running() as collector:
        subprocess.run([sys.executable, "-W", "error", "-c", BUSY, collector.dsn, *rate], check=True, timeout=60)
        return collector.of("profile_chunk")


def test_a_profile_names_the_function_that_is_busy() -> None:
    (chunk,) = chunks("1")
    assert (chunk["release"], chunk["environment"], chunk["version"]) == ("busy@1.0.0", "test", "2")
    profile = chunk["profile"]
    innermost = [profile["frames"][profile["stacks"][sample["stack_id"]][0]] for sample in profile["samples"]]
    found = Counter((frame["function"], frame.get("in_app", False)) for frame in innermost)
    assert found["burn", True] > 20


@pytest.mark.parametrize("rate", [(), ("0",)])
def test_nothing_is_profiled_that_was_not_asked_for(rate: tuple[str, ...]) -> None:
    assert chunks(*rate) == []


def test_an_environment_has_its_rate() -> None:
    asked = {name: sampling.profile_rate(name, None) for name in ("dev", "staging", "production")}
    assert asked == {"dev": 1.0, "staging": 0.3, "production": 0.05}
    assert sampling.profile_rate("production", 0.5) == 0.5
    for rate in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="from 0 to 1"):
            sampling.profile_rate("test", rate)


def test_a_chunk_is_no_longer_than_sentry_takes() -> None:
    assert 0 < sdk.PROFILE_SECONDS < 66
