"""The gateway as a process: its variables, when it is ready, and whom it believes where a request comes from."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
from reelback_payment.store import Wallets

from tests.unit import services
from tests.unit.common.ports import free_port
from tests.unit.common.waiting import until
from tests.unit.gateway.conftest import SECRET

SECRETS = {"JWT_SECRET": SECRET, "STAFF_TOKEN": SECRET}
SERVICES = ("USER", "GAME", "PAYMENT", "ANALYTICS", "NOTIFICATION")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("JWT_SECRET", "tooshort"), ("RATE_PER_PLAYER", "0"), ("CORS_ORIGINS", "*"), ("TRUSTED_PROXIES", '["proxy"]')],
)
def test_bad_variables_are_refused_by_name(variable: str, value: str) -> None:
    targets = {f"{name}_TARGET": "dns:///127.0.0.1:1" for name in SERVICES}
    good = {"PORT": "0", "METRICS_PORT": "0", "REDIS_URL": "redis://127.0.0.1:1", **SECRETS, **targets}
    ended = subprocess.run(
        [sys.executable, "-m", "reelback_gateway"],
        env={**os.environ, **good, variable: value},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith(f"{variable}: ")
    assert value == "0" or value not in ended.stderr


@asynccontextmanager
async def running(
    redis_url: str, folder: Path, files: int = 1024, **variables: str
) -> AsyncIterator[httpx2.AsyncClient]:
    """A gateway that listens, and may open so many files; services are where the variables say, or nowhere."""
    port = free_port()
    targets = {f"{name}_TARGET": f"ipv4:127.0.0.1:{free_port()}" for name in SERVICES}
    own = {"PORT": str(port), "METRICS_PORT": "0", "REDIS_URL": redis_url, **SECRETS, **targets}
    with (folder / "log").open("wb") as out:
        process = await asyncio.create_subprocess_exec(
            *("sh", "-c", f"ulimit -n {files}; exec {sys.executable} -m reelback_gateway"),
            env={**os.environ, **own, **variables},
            stdout=out,
            stderr=out,
        )
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:

            async def listens() -> bool:
                try:
                    return bool((await http.get("/healthz")).status_code == 200)
                except httpx2.TransportError:
                    assert process.returncode is None, (folder / "log").read_text()
                    return False

            await until(listens, 60)
            yield http
    finally:
        process.kill()
        await process.wait()


async def test_it_is_ready_without_notification(mongodb_url: str, redis_url: str, tmp_path: Path) -> None:
    there = free_port()
    targets = {f"{name}_TARGET": f"ipv4:127.0.0.1:{there}" for name in ("USER", "GAME", "PAYMENT")}
    async with running(redis_url, tmp_path, 1024, **targets) as http:

        async def ready() -> bool:
            return bool((await http.get("/readyz")).status_code == 200)

        assert not await ready()
        async with services.database(mongodb_url) as database, services.payment(Wallets(database), port=there):
            await until(ready, 20)


async def statuses(http: httpx2.AsyncClient, *addresses: str) -> list[int]:
    """The answers to requests that say to come from these addresses, sent at once."""
    sent = (http.get("/api/v1/wallet", headers={"X-Forwarded-For": address}) for address in addresses)
    return [answer.status_code for answer in await asyncio.gather(*sent)]


async def test_nobody_is_believed_who_says_where_a_request_comes_from(redis_url: str, tmp_path: Path) -> None:
    async with running(redis_url, tmp_path, RATE_PER_ADDRESS="1") as http:
        answers = await statuses(http, *(f"10.1.2.{number}" for number in range(12)))
    assert 429 in answers, "the limit of the address that they all come from"


async def test_behind_a_trusted_proxy_players_have_limits_of_their_own(redis_url: str, tmp_path: Path) -> None:
    async with running(redis_url, tmp_path, RATE_PER_ADDRESS="1", TRUSTED_PROXIES='["127.0.0.0/8"]') as http:
        assert await statuses(http, *(f"10.9.8.{number}" for number in range(12))) == [401] * 12
        assert 429 in await statuses(http, *(["10.9.7.1"] * 12))
        forged = [f"172.16.0.{number}, 10.9.6.1" for number in range(12)]
        assert 429 in await statuses(http, *forged), "what the player wrote before the proxy's own word is not believed"
        nonsense = [f"nowhere-{number}" for number in range(12)]
        assert 429 in await statuses(http, *nonsense), "what is no address has one limit for all"
        network = [f"2001:db8:1:2::{number}" for number in range(12)]
        assert 429 in await statuses(http, *network), "an IPv6 network is one sender"


async def test_silent_connections_take_no_descriptor_away_and_fill_no_log(redis_url: str, tmp_path: Path) -> None:
    async with running(redis_url, tmp_path, files=256) as http, AsyncExitStack() as stack:
        opened = [asyncio.open_connection(http.base_url.host, http.base_url.port) for _ in range(400)]
        for _, writer in await asyncio.gather(*opened):
            stack.callback(writer.close)
        for _ in range(3):  # among them a new connection each, which one too many may be
            await until(partial(answered, str(http.base_url)), 30)
    assert len((tmp_path / "log").read_text().splitlines()) < 20


async def answered(url: str) -> bool:
    try:
        async with httpx2.AsyncClient() as fresh:
            return bool((await fresh.get(f"{url}/healthz")).status_code == 200)
    except httpx2.TransportError:
        return False
