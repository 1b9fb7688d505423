"""Guessing passwords: slowed for whoever does it, and for nobody else."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc
import pytest
from grpc import StatusCode
from reelback.v1 import user_pb2
from reelback.v1.user_pb2_grpc import UserStub
from reelback_common import refusals
from reelback_user import attempts, passwords
from reelback_user.store import Accounts

from tests.unit import services
from tests.unit.common.waiting import until

if TYPE_CHECKING:
    from reelback.v1.user_pb2_grpc import UserAsyncStub

PASSWORD, WRONG_PASSWORD = "correct horse", "wrong horse"
WRONG, EARLY = StatusCode.UNAUTHENTICATED, StatusCode.RESOURCE_EXHAUSTED


@dataclass
class Accountant:
    """A user service with one account; addresses are new for each test, for budgets outlive it in Redis."""

    user: UserAsyncStub
    email: str

    async def tries(self, address: str, password: str = WRONG_PASSWORD, email: str = "") -> StatusCode:
        """How a try ends."""
        request = user_pb2.SignInRequest(email=email or self.email, password=password, address=address)
        try:
            await self.user.SignIn(request)
        except grpc.aio.AioRpcError as error:
            return error.code()
        return StatusCode.OK


@pytest.fixture
async def desk(mongodb_url: str, redis_url: str) -> AsyncIterator[Accountant]:
    async with services.database(mongodb_url) as database, services.user(Accounts(database), redis_url) as channel:
        email = f"{secrets.token_hex(6)}@example.com"
        stub: UserAsyncStub = UserStub(channel)
        await stub.Register(user_pb2.RegisterRequest(email=email, password=PASSWORD, display_name="Ada"))
        yield Accountant(stub, email)


def new() -> str:
    return secrets.token_hex(8)


async def test_whoever_guesses_is_slowed_and_the_owner_gets_in_from_elsewhere(desk: Accountant) -> None:
    here = new()
    answers = Counter([await desk.tries(here) for _ in range(150)])
    assert answers[WRONG] < attempts.PAIR + 5  # as many more as the growing pauses let through meanwhile
    assert answers[WRONG] + answers[EARLY] == 150
    assert await desk.tries(here, PASSWORD) is EARLY
    assert await desk.tries(new(), PASSWORD) is StatusCode.OK


async def test_of_many_guesses_at_once_few_are_looked_at(desk: Accountant) -> None:
    here = new()
    answers = Counter(await asyncio.gather(*(desk.tries(here) for _ in range(60))))
    assert answers == {WRONG: attempts.PAIR, EARLY: 60 - attempts.PAIR}


async def test_the_pause_is_told_and_ends(desk: Accountant) -> None:
    here = new()
    for _ in range(attempts.PAIR):
        await desk.tries(here)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await desk.user.SignIn(user_pb2.SignInRequest(email=desk.email, password=PASSWORD, address=here))
    seconds = int(dict(refusals.metadata(caught.value))[refusals.RETRY_AFTER])
    assert 1 <= seconds <= 2
    assert caught.value.details() == f"too many sign-ins failed, try again in {seconds} s"

    async def over() -> bool:
        return await desk.tries(here, PASSWORD) is StatusCode.OK

    await until(over, 30)
    assert [await desk.tries(here) for _ in range(attempts.PAIR)] == [WRONG] * attempts.PAIR, "it begins anew"


async def test_many_accounts_cannot_be_tried_from_one_address(desk: Accountant) -> None:
    here = new()
    answers = [await desk.tries(here, email=f"{new()}@example.com") for _ in range(attempts.ADDRESS + 10)]
    assert answers[: attempts.ADDRESS] == [WRONG] * attempts.ADDRESS
    assert EARLY in answers[attempts.ADDRESS :]


async def test_many_players_sign_in_from_one_address(desk: Accountant) -> None:
    here = new()
    assert [await desk.tries(here, PASSWORD) for _ in range(3 * attempts.PAIR)] == [StatusCode.OK] * 3 * attempts.PAIR


async def test_guesses_from_everywhere_do_not_lock_the_owner_out(desk: Accountant) -> None:
    home = new()
    assert await desk.tries(home, PASSWORD) is StatusCode.OK
    everywhere = {await desk.tries(new()) for _ in range(attempts.ACCOUNT - 1)}  # the owner's own was the first
    assert everywhere == {WRONG}
    assert await desk.tries(new()) is EARLY
    assert await desk.tries(home, PASSWORD) is StatusCode.OK


async def test_a_wave_of_sign_ins_is_refused_at_once_and_not_too_late(
    desk: Accountant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "MAX_WAITING", 4)
    wave = (desk.tries(new(), email=f"{new()}@example.com") for _ in range(60))
    answers = Counter(await asyncio.gather(*wave))
    assert set(answers) == {WRONG, EARLY}

    async def quiet() -> bool:
        return await desk.tries(new(), PASSWORD) is StatusCode.OK

    await until(quiet, 30)
