"""Channels against real servers: shares, swaps, deadlines, retries."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest
from reelback.v1 import payment_pb2, payment_pb2_grpc
from reelback_common import client
from reelback_common.refusals import refusing
from reelback_common.server import Server
from reelback_common.settings import ServiceSettings

from tests.unit.common.waiting import until

PAYMENT = "reelback.v1.Payment"


@dataclass
class Payment(payment_pb2_grpc.PaymentServicer):
    """Counts its calls. `failures` calls are refused as unavailable; A deposit and a stream wait for `open`."""

    name: str = ""
    failures: int = 0
    calls: Counter[str] = field(default_factory=Counter)
    remaining: list[float] = field(default_factory=list)
    waits: asyncio.Event = field(default_factory=asyncio.Event)
    open: asyncio.Event = field(default_factory=asyncio.Event)

    async def GetWallet(self, request: Any, context: Any) -> payment_pb2.Wallet:
        self.calls["GetWallet"] += 1
        self.remaining.append(context.time_remaining())
        await self._maybe_fail(context)
        return payment_pb2.Wallet(currency=self.name)

    async def Withdraw(self, request: Any, context: Any) -> payment_pb2.Entry:
        self.calls["Withdraw"] += 1
        await self._maybe_fail(context)
        return payment_pb2.Entry()

    async def Deposit(self, request: Any, context: Any) -> payment_pb2.Entry:
        self.waits.set()
        await self.open.wait()
        return payment_pb2.Entry(reference=self.name)

    async def ListEntries(self, request: Any, context: Any) -> AsyncIterator[payment_pb2.Entry]:
        yield payment_pb2.Entry(sequence=1)
        await self.open.wait()
        yield payment_pb2.Entry(sequence=2)

    async def _maybe_fail(self, context: Any) -> None:
        if self.failures > 0:
            self.failures -= 1
            await context.abort(grpc.StatusCode.UNAVAILABLE, "not now")


@dataclass
class Running:
    payment: Payment
    port: int
    stop: Callable[[], Awaitable[None]]


@asynccontextmanager
async def running(payment: Payment, drain: float = 0) -> AsyncIterator[Running]:
    async def ready() -> None:
        pass

    server = Server(
        ServiceSettings(port=0, metrics_port=0, drain_seconds=drain),
        lambda s: payment_pb2_grpc.add_PaymentServicer_to_server(payment, s),
        ready,
        [PAYMENT],
    )
    port = await server.start()
    stopped = False

    async def stop() -> None:
        nonlocal stopped
        if not stopped:
            stopped = True
            await server.stop()

    try:
        yield Running(payment, port, stop)
    finally:
        payment.open.set()
        await stop()


@pytest.fixture
async def serve() -> AsyncIterator[Callable[..., Awaitable[Running]]]:
    async with AsyncExitStack() as stack:

        async def start(drain: float = 0, **fields: Any) -> Running:
            return await stack.enter_async_context(running(Payment(**fields), drain))  # type: ignore[abstract]

        yield start


def write(file: Path, servers: Sequence[Running]) -> str:
    """Name the servers in the file as a supervisor does: by rename. The target."""
    new = file.with_suffix(".new")
    new.write_text("".join(f"127.0.0.1:{s.port}\n" for s in servers))
    new.rename(file)
    return f"endpoints:{file}"


async def names(stub: Any, calls: int) -> Counter[str]:
    """How many calls each server answered."""
    answers = [await stub.GetWallet(payment_pb2.GetWalletRequest()) for _ in range(calls)]
    return Counter(answer.currency for answer in answers)


async def test_a_new_server_has_its_even_share_as_soon_as_it_has_a_call(serve: Any, tmp_path: Path) -> None:
    first, second, third = [await serve(name=name) for name in "abc"]
    async with client.connect(write(tmp_path / "payment", [first, second])) as channel:
        stub = payment_pb2_grpc.PaymentStub(channel)
        await until(lambda: seen(stub, "b"))
        assert await names(stub, 40) == {"a": 20, "b": 20}
        write(tmp_path / "payment", [first, second, third])
        assert await until(lambda: seen(stub, "c")) < 1
        assert await names(stub, 60) == {"a": 20, "b": 20, "c": 20}


async def seen(stub: Any, name: str) -> bool:
    return name in await names(stub, 1)


async def test_no_call_fails_and_no_call_is_cut_when_a_server_leaves(serve: Any, tmp_path: Path) -> None:
    """Removed from the file first, ended afterwards, under calls all the time."""
    stays, leaves = await serve(name="stays"), await serve(name="leaves")
    async with client.connect(write(tmp_path / "payment", [stays, leaves])) as channel:
        stub = payment_pb2_grpc.PaymentStub(channel)
        await until(lambda: seen(stub, "leaves"))
        waiting = [asyncio.ensure_future(stub.Deposit(payment_pb2.MoveRequest())) for _ in range(4)]
        stream = aiter(stub.ListEntries(payment_pb2.ListEntriesRequest()))
        assert (await anext(stream)).sequence == 1
        await asyncio.wait_for(leaves.payment.waits.wait(), 30)
        write(tmp_path / "payment", [stays])

        async def only_stays() -> bool:
            return await names(stub, 10) == {"stays": 10}

        await until(only_stays)
        stopping = asyncio.create_task(leaves.stop())
        assert await names(stub, 50) == {"stays": 50}
        for server in (stays, leaves):
            server.payment.open.set()
        assert Counter([(await call).reference for call in waiting]) == {"stays": 2, "leaves": 2}
        assert [entry.sequence async for entry in stream] == [2]
        await stopping
        assert await names(stub, 50) == {"stays": 50}


async def test_callers_leave_a_server_that_ends_before_it_closes(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of DNS and told to end in one moment, as Kubernetes does it, under calls that are not tried again."""
    stays, leaves = await serve(name="stays"), await serve(name="leaves", drain=6)
    known, looks = [stays], 0

    def getaddrinfo(*_: object, **__: object) -> list[Any]:
        nonlocal looks
        looks += 1
        if not known:
            raise socket.gaierror
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)) for server in known]

    async def looked() -> bool:
        return looks >= 2

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    async with client.connect(f"dns:///localhost:{stays.port}") as channel:
        stub = payment_pb2_grpc.PaymentStub(channel)

        async def call_on() -> None:
            while True:
                await stub.Withdraw(payment_pb2.MoveRequest())

        async with asyncio.TaskGroup() as callers:  # the first call that fails ends the test
            calling = [callers.create_task(call_on()) for _ in range(10)]
            known.clear()
            looks = 0
            await until(looked)
            assert await names(stub, 1) == {"stays": 1}, "no answer changes nothing"
            known += [stays, leaves]
            await until(lambda: seen(stub, "leaves"))
            known.remove(leaves)
            stopping = callers.create_task(leaves.stop())

            async def left() -> bool:
                return await names(stub, 10) == {"stays": 10}

            await until(left)
            assert not stopping.done()
            calls = leaves.payment.calls.total()
            await stopping
            assert leaves.payment.calls.total() == calls
            for task in calling:
                task.cancel()


async def test_a_file_that_is_empty_or_gone_for_a_moment_changes_nothing(serve: Any, tmp_path: Path) -> None:
    first, second = await serve(name="a"), await serve(name="b")
    file = tmp_path / "payment"
    async with client.connect(write(file, [first])) as channel:
        stub = payment_pb2_grpc.PaymentStub(channel)
        file.write_text("")
        await asyncio.sleep(client.WATCH_INTERVAL * 2)
        assert await names(stub, 1) == {"a": 1}
        file.unlink()
        await asyncio.sleep(client.WATCH_INTERVAL * 2)
        assert await names(stub, 1) == {"a": 1}
        write(file, [second])
        await until(lambda: seen(stub, "b"))


async def test_endpoints_that_name_nobody_are_refused(tmp_path: Path) -> None:
    (tmp_path / "payment").write_text("\n")
    with pytest.raises(ValueError, match="payment names no endpoint"):
        client.connect(f"endpoints:{tmp_path / 'payment'}")


async def test_only_what_is_idempotent_is_tried_again(serve: Any) -> None:
    server = await serve(failures=2)
    async with client.connect(f"dns:///127.0.0.1:{server.port}", idempotent=[f"{PAYMENT}/GetWallet"]) as channel:
        stub = payment_pb2_grpc.PaymentStub(channel)
        await stub.GetWallet(payment_pb2.GetWalletRequest())
        assert server.payment.calls["GetWallet"] == 3
        server.payment.failures = 1
        with pytest.raises(grpc.aio.AioRpcError, match="not now"):
            await stub.Withdraw(payment_pb2.MoveRequest())
        assert server.payment.calls["Withdraw"] == 1


async def test_retries_do_not_multiply_along_the_chain(serve: Any) -> None:
    class Away(Exception):
        """The inner server does not answer."""

    class HandsOn(Payment):
        async def GetWallet(self, request: Any, context: Any) -> payment_pb2.Wallet:
            self.calls["GetWallet"] += 1
            wallet: payment_pb2.Wallet = await payment_pb2_grpc.PaymentStub(to_inner).GetWallet(request)
            return wallet

        async def Withdraw(self, request: Any, context: Any) -> payment_pb2.Entry:
            self.calls["Withdraw"] += 1
            async with refusing(context, {Away: grpc.StatusCode.UNAVAILABLE}, ()):
                try:
                    entry: payment_pb2.Entry = await payment_pb2_grpc.PaymentStub(to_inner).Withdraw(request)
                except grpc.aio.AioRpcError as error:
                    raise Away("it does not answer") from error
            return entry

    inner = await serve(failures=1_000)
    async with AsyncExitStack() as stack:
        to_inner = client.connect(f"dns:///127.0.0.1:{inner.port}", idempotent=[PAYMENT])
        hands_on = HandsOn()  # type: ignore[abstract]
        await stack.enter_async_context(to_inner)
        middle = await stack.enter_async_context(running(hands_on))
        to_middle = await stack.enter_async_context(
            client.connect(f"dns:///127.0.0.1:{middle.port}", idempotent=[PAYMENT])
        )
        stub = payment_pb2_grpc.PaymentStub(to_middle)
        for call in (stub.GetWallet(payment_pb2.GetWalletRequest()), stub.Withdraw(payment_pb2.MoveRequest())):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await call
            assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
        assert middle.payment.calls == {"GetWallet": 1, "Withdraw": 1}
        assert inner.payment.calls == {"GetWallet": 3, "Withdraw": 3}


async def test_a_server_that_goes_on_failing_is_not_called_three_times_as_often(serve: Any) -> None:
    server: Running = await serve(failures=10_000)
    async with client.connect(f"dns:///127.0.0.1:{server.port}", idempotent=[PAYMENT]) as channel:
        stub = payment_pb2_grpc.PaymentStub(channel)

        async def failing(calls: int) -> int:
            before = server.payment.calls["GetWallet"]
            answers = [stub.GetWallet(payment_pb2.GetWalletRequest()) for _ in range(calls)]
            await asyncio.gather(*answers, return_exceptions=True)
            return server.payment.calls["GetWallet"] - before

        half = int(client.RETRY_BUDGET["maxTokens"] / 2)
        assert (
            await failing(2 * half) <= 3 * half
        )  # what is on its way when the budget ends makes it a few more than half
        assert await failing(100) == 100
        server.payment.failures = 0
        await names(stub, int(client.RETRY_BUDGET["maxTokens"] / client.RETRY_BUDGET["tokenRatio"]))
        server.payment.failures = 2
        assert await names(stub, 1)  # it is tried again as before


async def test_an_exception_is_never_tried_again(serve: Any) -> None:
    class Raises(Payment):
        async def GetWallet(self, request: Any, context: Any) -> payment_pb2.Wallet:
            self.calls["GetWallet"] += 1
            raise ValueError("broken")

    payment = Raises()  # type: ignore[abstract]
    async with (
        running(payment) as server,
        client.connect(f"dns:///127.0.0.1:{server.port}", idempotent=[PAYMENT]) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await payment_pb2_grpc.PaymentStub(channel).GetWallet(payment_pb2.GetWalletRequest())
        assert raised.value.code() is grpc.StatusCode.UNKNOWN
        assert payment.calls["GetWallet"] == 1


async def test_every_call_has_a_deadline(serve: Any) -> None:
    server = await serve()
    async with client.connect(f"dns:///127.0.0.1:{server.port}", deadline=0.2) as channel:
        stub = payment_pb2_grpc.PaymentStub(channel)
        started = time.monotonic()
        for timeout in (None, 60):
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.Deposit(payment_pb2.MoveRequest(), timeout=timeout)
            assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - started < 30  # and not the 60 s that a caller may wait


async def test_a_call_made_for_a_request_ends_with_it(serve: Any) -> None:
    """A caller that waits 1 s must not keep a callee busy for 5."""
    inner = await serve()

    class Outer(Payment):
        async def GetWallet(self, request: Any, context: Any) -> payment_pb2.Wallet:
            wallet: payment_pb2.Wallet = await payment_pb2_grpc.PaymentStub(to_inner).GetWallet(request)
            return wallet

    async with (
        client.connect(f"dns:///127.0.0.1:{inner.port}", deadline=5) as to_inner,
        running(Outer()) as outer,  # type: ignore[abstract]
        client.connect(f"dns:///127.0.0.1:{outer.port}", deadline=5) as to_outer,
    ):
        await payment_pb2_grpc.PaymentStub(to_outer).GetWallet(payment_pb2.GetWalletRequest(), timeout=1)
        # Somewhat more than the second that was asked for: gRPC rounds a deadline up when it sends it.
        assert 0 < inner.payment.remaining[0] < 1.5


async def test_a_server_that_is_away_is_an_answer_within_the_deadline() -> None:
    async with client.connect("dns:///127.0.0.1:1", idempotent=[PAYMENT], deadline=2) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await payment_pb2_grpc.PaymentStub(channel).GetWallet(payment_pb2.GetWalletRequest())
        assert raised.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
