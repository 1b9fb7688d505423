"""Servers of their own and in processes: health that tells the truth, reflection, the drain."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
import httpx2
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from reelback.v1 import payment_pb2, payment_pb2_grpc
from reelback_common import client
from reelback_common.server import Server
from reelback_common.settings import ServiceSettings

from tests.unit.common.waiting import until

PAYMENT = "reelback.v1.Payment"
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def server_with(ready: Callable[[], Awaitable[None]], port: int = 0, *, reflection: bool = False) -> Server:
    servicer = payment_pb2_grpc.PaymentServicer
    unimplemented: Any = type("Nothing", (servicer,), {"__abstractmethods__": frozenset()})()
    return Server(
        ServiceSettings(port=port, metrics_port=0, grpc_reflection=reflection),
        lambda s: payment_pb2_grpc.add_PaymentServicer_to_server(unimplemented, s),
        ready,
        [PAYMENT],
    )


async def health(channel: grpc.aio.Channel, service: str) -> int:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
    return int(answer.status)


async def becomes(channel: grpc.aio.Channel, status: int) -> None:
    async def is_so() -> bool:
        return await health(channel, "") == status

    await until(is_so)


async def test_health_follows_the_dependencies_and_the_process_lives_all_the_time() -> None:
    works = True

    async def ready() -> None:
        if not works:
            raise ConnectionError("the store is away")

    server = server_with(ready)
    port = await server.start()
    async with client.connect(f"dns:///127.0.0.1:{port}") as channel:
        for up, status in ((True, SERVING), (False, NOT_SERVING), (True, SERVING)):
            works = up
            await becomes(channel, status)
            assert await health(channel, PAYMENT) == status
            assert await health(channel, "live") == SERVING
    await server.stop()


async def test_a_dependency_that_hangs_is_one_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reelback_common.readiness.TIMEOUT", 0.1)
    hangs = False

    async def ready() -> None:
        if hangs:
            await asyncio.Event().wait()

    server = server_with(ready)
    async with client.connect(f"dns:///127.0.0.1:{await server.start()}") as channel:
        await becomes(channel, SERVING)
        hangs = True
        await becomes(channel, NOT_SERVING)
    await server.stop()


async def test_a_dependency_whose_client_drops_a_cancellation_does_not_hold_up_the_end() -> None:
    asked = asyncio.Event()

    async def ready() -> None:
        asked.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return

    server = server_with(ready)
    await server.start()
    await asked.wait()
    async with asyncio.timeout(10):
        await server.stop()


async def test_reflection_lists_what_is_served_where_it_is_asked_for() -> None:
    async def ready() -> None:
        pass

    closed = server_with(ready)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{await closed.start()}") as channel:
        hidden: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await anext(aiter(hidden.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest()]))))
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    await closed.stop()
    server = server_with(ready, reflection=True)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{await server.start()}") as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        asked = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        answer = await anext(aiter(asked))
    assert {s.name for s in answer.list_services_response.service} == {
        PAYMENT, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"
    }  # fmt: skip
    await server.stop()


async def test_a_port_in_use_is_one_line() -> None:
    async def ready() -> None:
        pass

    first = server_with(ready)
    port = await first.start()
    with pytest.raises(SystemExit, match=f"PORT: cannot listen on 127.0.0.1:{port}"):
        await server_with(ready, port).start()
    await first.stop()


@pytest.mark.parametrize("role", ["front", "back"])
def test_a_process_whose_port_is_in_use_says_so_and_ends(start: Any, role: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with pytest.raises(AssertionError, match=f"PORT.*{port}"):
            start(role, PORT=port, TARGET="dns:///127.0.0.1:1")
        with pytest.raises(AssertionError, match=f"METRICS_PORT {port}: Address already in use"):
            start(role, METRICS_PORT=port, TARGET="dns:///127.0.0.1:1")


async def test_a_grpc_process_drains_in_order(start: Any) -> None:
    """SIGTERM: unready at once, calls still welcome for DRAIN_SECONDS, the one in flight is answered, status 0."""
    process = await asyncio.to_thread(start, "back", DRAIN_SECONDS="1")
    async with client.connect(f"dns:///127.0.0.1:{process.port}") as channel:
        stub = payment_pb2_grpc.PaymentStub(channel)
        await stub.Charge(payment_pb2.MoveRequest(amount=1))
        process.popen.send_signal(signal.SIGTERM)
        await becomes(channel, NOT_SERVING)
        assert (await stub.Charge(payment_pb2.MoveRequest(amount=2))).amount == -2
        in_flight = asyncio.ensure_future(stub.Charge(payment_pb2.MoveRequest(amount=15)))
        assert (await in_flight).amount == -15
    assert await asyncio.to_thread(process.popen.wait, 10) == 0


async def test_what_a_caller_has_begun_is_carried_out_when_it_does_not_wait() -> None:
    begun, go_on, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def charge(_: Any, request: Any, context: Any) -> payment_pb2.Entry:
        begun.set()
        await go_on.wait()
        done.set()
        return payment_pb2.Entry()

    async def ready() -> None:
        pass

    servicer = payment_pb2_grpc.PaymentServicer
    slow: Any = type("Slow", (servicer,), {"Charge": charge, "__abstractmethods__": frozenset()})()
    server = Server(
        ServiceSettings(port=0, metrics_port=0),
        lambda it: payment_pb2_grpc.add_PaymentServicer_to_server(slow, it),
        ready,
        [PAYMENT],
    )
    async with grpc.aio.insecure_channel(f"127.0.0.1:{await server.start()}") as channel:
        stub: Any = payment_pb2_grpc.PaymentStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Charge(payment_pb2.MoveRequest(), timeout=0.3)
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        assert begun.is_set()
        go_on.set()
        await asyncio.wait_for(done.wait(), 30)
    await server.stop()


async def test_an_http_process_drains_in_order(start: Any) -> None:
    back = await asyncio.to_thread(start, "back")
    middle = await asyncio.to_thread(start, "middle", TARGET=f"dns:///127.0.0.1:{back.port}")
    front = await asyncio.to_thread(start, "front", TARGET=f"dns:///127.0.0.1:{middle.port}", DRAIN_SECONDS="1")
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{front.port}") as http:
        before = await http.get("/healthz")
        assert (before.status_code, before.headers.get("connection")) == (200, None)
        front.popen.send_signal(signal.SIGTERM)

        async def unready() -> bool:
            return bool((await http.get("/readyz")).json() == {"status": "not ready", "reason": "draining"})

        await until(unready)
        last = await http.post("/spins/15")
        assert (last.json()["win"], last.headers["connection"]) == (2, "close")
    assert await asyncio.to_thread(front.popen.wait, 10) == 0
