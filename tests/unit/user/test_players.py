"""Players as the back office lists them: in pages, however many there are, and by what is known of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import StatusCode
from pymongo.asynchronous.database import AsyncDatabase
from reelback.v1 import user_pb2
from reelback.v1.user_pb2_grpc import UserStub
from reelback_common.mongo import Document
from reelback_common.staff import roles
from reelback_user.store import Accounts

from tests.unit import services

if TYPE_CHECKING:
    from reelback.v1.user_pb2_grpc import UserAsyncStub

MANY = 10_000
QUICK = 1.0
"""Seconds for a page of many, on a machine that does other things, too."""

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)


def document(place: int, **more: Any) -> Document:
    """An account as it is stored."""
    return {
        "_id": f"player-{place:05d}",
        "email": f"{place}@many.example",
        "display_name": f"Ada {place}",
        "password_hash": "x",
        "created_at": BEGUN + timedelta(seconds=place),
        "kyc": "none",
        "kyc_changes": 0,
        "email_verified": False,
        "outbox": [],
        **more,
    }


@pytest.fixture
async def database(mongodb_url: str) -> AsyncIterator[AsyncDatabase[Document]]:
    async with services.database(mongodb_url) as opened:
        yield opened


async def names(user: UserAsyncStub, **request: Any) -> tuple[list[str], str]:
    answer = await user.ListPlayers(user_pb2.ListPlayersRequest(**request))
    return [profile.display_name for profile in answer.players], answer.next


async def test_accounts_from_before_they_were_numbered_are_listed_and_their_documents_wait(
    database: AsyncDatabase[Document], redis_url: str
) -> None:
    before = [document(number, kyc="pending" if number == 2 else "none", kyc_changes=number) for number in range(1, 4)]
    await database["accounts"].insert_many(before)
    for _ in range(2):  # a start after that finds nothing to do
        async with services.user(Accounts(database), redis_url) as channel:
            user: UserAsyncStub = UserStub(channel)
            assert await names(user) == (["Ada 3", "Ada 2", "Ada 1"], "")
            waiting = await user.ListKyc(user_pb2.ListKycRequest())
            assert [profile.player_id for profile in waiting.players] == ["player-00002"]


async def test_a_page_of_many_players_is_quick_wherever_it_is(
    database: AsyncDatabase[Document], redis_url: str
) -> None:
    accounts = [document(it, number=it, name_key=f"ada {it}") for it in range(1, MANY + 1)]
    for start in range(0, MANY, 1000):
        await database["accounts"].insert_many(accounts[start : start + 1000])
    await database["counters"].insert_one({"_id": "accounts", "last": MANY})
    async with services.user(Accounts(database), redis_url) as channel:
        user: UserAsyncStub = UserStub(channel)
        for cursor, first in (("", MANY), (str(MANY // 2), MANY // 2 - 1), ("51", 50)):
            started = time.perf_counter()
            found, following = await names(user, cursor=cursor)
            took = time.perf_counter() - started
            assert found == [f"Ada {number}" for number in range(first, first - 50, -1)]
            assert following == (str(first - 49) if first > 50 else "")
            assert took < QUICK
        for text, expected in (("player-04711", "Ada 4711"), ("815@many.example", "Ada 815"), ("ada 999", "Ada 9999")):
            started = time.perf_counter()
            found, _ = await names(user, text=text)
            took = time.perf_counter() - started
            print(f"{text}: {took * 1000:.0f} ms")
            assert found[0] == expected
            assert took < 4 * QUICK


async def test_what_a_crash_leaves_in_the_queue_is_not_shown_and_goes(
    database: AsyncDatabase[Document], redis_url: str
) -> None:
    async with services.user(Accounts(database), redis_url) as channel:
        user: UserAsyncStub = UserStub(channel)
        await user.Register(user_pb2.RegisterRequest(email="a@b.example", password="correct horse", display_name="Ada"))
        ada = (await user.ListPlayers(user_pb2.ListPlayersRequest())).players[0].player_id
        await user.SubmitKyc(user_pb2.SubmitKycRequest(player_id=ada))
        left = [{"_id": f"{ada}/7", "place": f"{0:013d}/{ada}/7"}, {"_id": "gone/1", "place": f"{1:013d}/gone/1"}]
        await database["waiting"].insert_many(left)
        waiting = await user.ListKyc(user_pb2.ListKycRequest())
        assert [profile.player_id for profile in waiting.players] == [ada]
        assert [row["_id"] async for row in database["waiting"].find()] == [f"{ada}/1"]


async def test_decisions_need_a_session_with_the_role_whoever_calls(
    database: AsyncDatabase[Document], redis_url: str
) -> None:
    async with services.user(Accounts(database), redis_url) as channel:
        user: UserAsyncStub = UserStub(channel)
        account = user_pb2.RegisterRequest(email="a@b.example", password="correct horse", display_name="Ada")
        ada = (await user.Register(account)).player_id
        await user.SubmitKyc(user_pb2.SubmitKycRequest(player_id=ada))

        async def refused(session_id: str) -> StatusCode:
            request = user_pb2.DecideKycRequest(player_id=ada, kyc=user_pb2.KYC_VERIFIED, session_id=session_id)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await user.DecideKyc(request)
            return caught.value.code()

        assert await refused("") is StatusCode.UNAUTHENTICATED
        for role in (roles.VIEWER, roles.FINANCE, roles.TESTER):
            assert await refused(await services.signed_in_as(user, role)) is StatusCode.PERMISSION_DENIED
        assert await database["audit"].count_documents({}) == 0


@pytest.mark.parametrize("request_", [{"cursor": "x"}, {"limit": 101}, {"limit": -1}, {"text": "not@address"}])
async def test_bad_pages_are_refused(database: AsyncDatabase[Document], redis_url: str, request_: Any) -> None:
    async with services.user(Accounts(database), redis_url) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await UserStub(channel).ListPlayers(user_pb2.ListPlayersRequest(**request_))
        assert caught.value.code() is StatusCode.INVALID_ARGUMENT
