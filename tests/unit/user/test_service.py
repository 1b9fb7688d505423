"""Players over gRPC."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from grpc import StatusCode
from reelback.v1 import user_pb2
from reelback.v1.user_pb2_grpc import UserStub
from reelback_common import faults, redis
from reelback_common.verification import email_code
from reelback_user.store import Accounts, Sessions

from tests.unit import services
from tests.unit.common.ports import free_port
from tests.unit.common.waiting import until

if TYPE_CHECKING:
    from reelback.v1.user_pb2_grpc import UserAsyncStub

PASSWORD = "correct horse"


@pytest.fixture
async def user(mongodb_url: str, redis_url: str) -> AsyncIterator[UserAsyncStub]:
    async with services.database(mongodb_url) as database, services.user(Accounts(database), redis_url) as channel:
        yield UserStub(channel)


@pytest.fixture
def no_faults() -> Iterator[None]:
    yield
    faults.configure({})


def registration(email: str = "ada@example.com", password: str = PASSWORD, name: str = "Ada") -> Any:
    return user_pb2.RegisterRequest(email=email, password=password, display_name=name)


async def sign_in(user: UserAsyncStub, email: str = "ada@example.com", password: str = PASSWORD) -> user_pb2.Session:
    somewhere = secrets.token_hex(8)  # how often it may be tried from one address is a test of its own
    return await user.SignIn(user_pb2.SignInRequest(email=email, password=password, address=somewhere))


def check(user: UserAsyncStub, session_id: str) -> Any:
    return user.CheckSession(user_pb2.CheckSessionRequest(session_id=session_id))


async def refused(call: Any) -> tuple[StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value.code(), caught.value.details() or ""


async def test_from_registration_to_sign_out(user: UserAsyncStub) -> None:
    profile = await user.Register(registration("Ada@Example.com", name=" Ada "))
    assert (profile.email, profile.display_name, profile.kyc) == ("ada@example.com", "Ada", user_pb2.KYC_NONE)
    session = await sign_in(user, "ADA@example.com")
    assert session.player_id == profile.player_id
    assert timedelta(minutes=59) < session.expires_at.ToDatetime(UTC) - datetime.now(UTC) <= timedelta(hours=1)
    assert await check(user, session.session_id) == session
    assert await user.GetProfile(user_pb2.GetProfileRequest(player_id=profile.player_id)) == profile

    other = await sign_in(user)
    for _ in range(2):
        await user.SignOut(user_pb2.SignOutRequest(session_id=session.session_id))
    code, details = await refused(check(user, session.session_id))
    assert (code, details) == (StatusCode.UNAUTHENTICATED, "the session has ended, sign in again")
    assert (await check(user, other.session_id)).player_id == profile.player_id


async def test_an_address_is_verified_by_the_code_that_was_sent_there(user: UserAsyncStub) -> None:
    ada, bob = await user.Register(registration()), await user.Register(registration("bob@example.com"))
    assert not ada.email_verified

    def verify(code: str) -> Any:
        return user.VerifyEmail(user_pb2.VerifyEmailRequest(player_id=ada.player_id, code=code))

    for wrong in ("", "A" * 16, "ä", email_code(services.TOKEN, bob.player_id, bob.email)):
        assert await refused(verify(wrong)) == (StatusCode.INVALID_ARGUMENT, "code: is not the one that was sent")
    right = email_code(services.TOKEN, ada.player_id, ada.email)
    for code in (f" {right.lower()} ", right):
        assert (await verify(code)).email_verified
    for profile, verified in ((ada, True), (bob, False)):
        found = await user.GetProfile(user_pb2.GetProfileRequest(player_id=profile.player_id))
        assert found.email_verified is verified


async def test_an_address_is_taken_once(user: UserAsyncStub) -> None:
    calls = [user.Register(registration(email)) for email in ("ada@example.com", "ADA@example.com", " ada@example.com")]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    refusals = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert [refusal.code() for refusal in refusals] == [StatusCode.ALREADY_EXISTS] * 2
    assert refusals[0].details() == "email: another account has this address"


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (registration(email="nobody"), "email"),
        (registration(password="short"), "password"),
        (registration(name=""), "display_name"),
    ],
)
async def test_bad_registrations_name_the_field(
    user: UserAsyncStub, request_: user_pb2.RegisterRequest, field: str
) -> None:
    code, details = await refused(user.Register(request_))
    assert code is StatusCode.INVALID_ARGUMENT
    assert details.startswith(f"{field}: ")


async def test_a_refused_sign_in_does_not_say_why_nor_show_it(user: UserAsyncStub) -> None:
    await user.Register(registration())
    times: dict[str, list[float]] = {"ada@example.com": [], "eve@example.com": []}
    for _ in range(7):
        for email, taken in times.items():
            started = time.perf_counter()
            answer = await refused(sign_in(user, email, "wrong horse"))
            taken.append(time.perf_counter() - started)
            assert answer == (StatusCode.UNAUTHENTICATED, "email or password is wrong")
    known, unknown = (median(taken) for taken in times.values())
    assert 0.3 < known / unknown < 3  # without a hash to check, the unknown address would take a tenth


async def test_what_minisentry_kept_among_the_sessions_goes_and_they_stay(redis_url: str) -> None:
    async with redis.connect(redis_url) as cache:
        sessions = Sessions(cache, timedelta(hours=1))
        open_ = await sessions.open("p", ())
        await cache.mset({f"minisentry:2:old:{number}": "x" for number in range(3000)})
        await sessions.ready()
        assert [name async for name in cache.scan_iter("minisentry:*")] == []
        assert await sessions.find(open_.session_id) == open_


async def test_sessions_run_out(mongodb_url: str, redis_url: str) -> None:
    async with (
        services.database(mongodb_url) as database,
        services.user(Accounts(database), redis_url, timedelta(seconds=2)) as channel,
    ):
        user: UserAsyncStub = UserStub(channel)
        await user.Register(registration())
        session = await sign_in(user)
        await check(user, session.session_id)

        async def over() -> bool:
            try:
                await check(user, session.session_id)
            except grpc.aio.AioRpcError as error:
                return error.code() is StatusCode.UNAUTHENTICATED
            return False

        await until(over)


async def test_redis_does_not_hold_what_opens_a_session(user: UserAsyncStub, redis_url: str) -> None:
    await user.Register(registration())
    session = await sign_in(user)
    async with redis.connect(redis_url) as cache:
        keys = [str(key) async for key in cache.scan_iter("session:*")]
    assert keys
    assert not any(session.session_id in key for key in keys)


async def test_an_account_from_before_kyc_could_change_can_be_verified(mongodb_url: str, redis_url: str) -> None:
    async with services.database(mongodb_url) as database:
        async with services.user(Accounts(database), redis_url) as channel:
            player_id = (await UserStub(channel).Register(registration())).player_id
        await database["accounts"].update_one({"_id": player_id}, {"$unset": {"kyc_changes": ""}})
        async with services.user(Accounts(database), redis_url) as channel:
            submitted = await UserStub(channel).SubmitKyc(user_pb2.SubmitKycRequest(player_id=player_id))
    assert submitted.kyc == user_pb2.KYC_PENDING


async def test_an_unknown_player_has_no_profile(user: UserAsyncStub) -> None:
    code, _ = await refused(user.GetProfile(user_pb2.GetProfileRequest(player_id="nobody")))
    assert code is StatusCode.NOT_FOUND


@pytest.mark.usefixtures("no_faults")
async def test_a_profile_can_be_made_slow(user: UserAsyncStub) -> None:
    profile = await user.Register(registration())
    faults.configure({"user.profile.slow_query_ms": 300})
    started = time.perf_counter()
    await user.GetProfile(user_pb2.GetProfileRequest(player_id=profile.player_id))
    assert time.perf_counter() - started > 0.3


async def test_sessions_without_redis_are_said_to_be_unavailable(mongodb_url: str) -> None:
    async with (
        services.database(mongodb_url) as database,
        services.user(Accounts(database), f"redis://127.0.0.1:{free_port()}", wait=False) as channel,
    ):
        code, details = await refused(check(UserStub(channel), "any"))
        assert (code, details) == (StatusCode.UNAVAILABLE, "a store does not answer, try again")
        assert not await services.is_ready(channel)
