"""The table of faults, and what each does."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from reelback_common import faults


@pytest.fixture(autouse=True)
def none_after() -> Iterator[None]:
    yield
    faults.configure({})


def test_a_key_begins_with_the_service_it_is_for() -> None:
    assert all(key == fault.key and key.startswith(f"{fault.service}.") for key, fault in faults.FAULTS.items())


@pytest.mark.parametrize("key", faults.FAULTS)
async def test_every_fault_is_off_until_it_is_set(key: str) -> None:
    faults.configure({})
    async with asyncio.timeout(5):
        await faults.inject(key)


async def test_a_share_of_calls_raises() -> None:
    faults.configure({"payment.charge.error_rate": 0.25})
    raised = 0
    for _ in range(2000):
        try:
            await faults.inject("payment.charge.error_rate")
        except faults.InjectedFault:
            raised += 1
    assert 400 <= raised <= 600  # five standard deviations


@pytest.mark.parametrize("key", ["payment.charge.latency_ms", "user.profile.slow_query_ms"])
async def test_waiting_lets_others_work(key: str) -> None:
    faults.configure({key: 500})
    started = time.monotonic()
    await asyncio.gather(*(faults.inject(key) for _ in range(100)))
    assert 0.5 <= time.monotonic() - started < 25  # one after the other they would take 50 s


async def test_computing_stops_the_loop() -> None:
    faults.configure({"game.rng.cpu_ms": 50})
    started = time.thread_time()
    await faults.inject("game.rng.cpu_ms")
    assert time.thread_time() - started >= 0.05


async def test_a_switch_is_asked_for() -> None:
    faults.configure({})
    assert not await faults.is_on("analytics.report.n_plus_one")
    faults.configure({"analytics.report.n_plus_one": 1})
    assert await faults.is_on("analytics.report.n_plus_one")
    with pytest.raises(ValueError, match="between 0 and 1"):
        faults.check({"analytics.report.n_plus_one": 2})
