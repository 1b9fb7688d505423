"""Spins over a WebSocket."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from reelback_common import faults
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.unit.gateway.conftest import Gateway

API = "/api/v1"


def opened(gateway: Gateway, **options: Any) -> connect:
    return connect(f"{gateway.url.replace('http', 'ws', 1)}{API}/play", **options)


async def say(socket: ClientConnection, message: Any) -> Any:
    await socket.send(message if isinstance(message, (str, bytes)) else json.dumps(message))
    return json.loads(await socket.recv())


async def player(gateway: Gateway, deposit: int = 500) -> str:
    """The token of a player with money."""
    headers = await gateway.player()
    await gateway.http.post(f"{API}/deposits", json={"request_id": "d", "amount": deposit}, headers=headers)
    return headers["Authorization"].split()[1]


async def ended(socket: ClientConnection) -> int:
    with pytest.raises(ConnectionClosed) as caught:
        await socket.recv()
    assert caught.value.rcvd
    return caught.value.rcvd.code


async def test_rounds_are_played_in_order(gateway: Gateway) -> None:
    token = await player(gateway)
    async with opened(gateway) as socket:
        assert "player_id" in await say(socket, {"token": token})
        rounds = [(await say(socket, {"request_id": f"s{n}", "bet": 10}))["round"] for n in range(3)]
        assert (await say(socket, {"request_id": "s2", "bet": 10}))["round"] == rounds[2]
        assert (await say(socket, b'{"request_id": "s2", "bet": 10}'))["round"] == rounds[2]
    headers = {"Authorization": f"Bearer {token}"}
    assert (await gateway.http.get(f"{API}/spins", headers=headers)).json() == rounds[::-1]


async def test_the_token_may_be_a_subprotocol(gateway: Gateway) -> None:
    protocols = [Subprotocol("bearer"), Subprotocol(await player(gateway))]
    async with opened(gateway, subprotocols=protocols) as socket:
        assert socket.subprotocol == "bearer"
        assert "player_id" in json.loads(await socket.recv())
        assert "round" in await say(socket, {"request_id": "s", "bet": 10})


@pytest.mark.parametrize(
    ("message", "status", "detail"),
    [
        ({"request_id": "s", "bet": 12}, 422, "bet: must be a multiple of 5"),
        ({"request_id": "s", "bet": 10.0}, 422, "bet: "),
        ({"request_id": "s"}, 422, "bet: Field required"),
        ({"request_id": "s", "bet": 5, "tip": 1}, 422, "tip: "),
        ({"request_id": "s", "bet": 5, "trace": {"host": "x"}}, 422, "trace.host"),
        ({"request_id": "s", "bet": 5, "trace": {"baggage": "x" * 1025}}, 422, "trace.baggage: "),
        ({"request_id": "s", "bet": 1000}, 409, "the balance of 500 does not cover 1000"),
        ("{", 422, "body: Invalid JSON"),
        (b"\xff", 422, "body: "),
        ("[]", 422, "body: "),
    ],
)
async def test_a_problem_does_not_end_the_game(gateway: Gateway, message: Any, status: int, detail: str) -> None:
    async with opened(gateway) as socket:
        await say(socket, {"token": await player(gateway)})
        problem = (await say(socket, message))["problem"]
        assert problem["status"] == status
        assert detail in problem["detail"]
        assert "round" in await say(socket, {"request_id": "next", "bet": 5})


@pytest.mark.parametrize(
    ("message", "status"), [({"token": "forged"}, 401), ({"request_id": "s", "bet": 5}, 422), ("nonsense", 422)]
)
async def test_a_refused_sign_in_ends_the_connection(gateway: Gateway, message: Any, status: int) -> None:
    async with opened(gateway) as socket:
        assert (await say(socket, message))["problem"]["status"] == status
        assert await ended(socket) == 1008


async def test_signing_out_ends_the_connection(gateway: Gateway) -> None:
    token = await player(gateway)
    async with opened(gateway) as socket:
        await say(socket, {"token": token})
        await gateway.http.delete(f"{API}/sessions", headers={"Authorization": f"Bearer {token}"})
        assert (await say(socket, {"request_id": "s", "bet": 5}))["problem"]["status"] == 401
        assert await ended(socket) == 1008


@pytest.mark.usefixtures("no_faults")
async def test_a_charge_that_fails_is_a_problem_and_a_failed_request(
    gateway: Gateway, spans: InMemorySpanExporter
) -> None:
    async with opened(gateway) as socket:
        await say(socket, {"token": await player(gateway)})
        faults.configure({"payment.charge.error_rate": 1})
        problem = (await say(socket, {"request_id": "s", "bet": 5}))["problem"]
        faults.configure({})
        assert "round" in await say(socket, {"request_id": "s", "bet": 5})
    assert problem["status"] == 500
    failed = [span for span in spans.get_finished_spans() if span.name == "WEBSOCKET spin" and not span.status.is_ok]
    assert [f"{span.context.trace_id:032x}" for span in failed] == [problem["trace_id"]]


@pytest.mark.parametrize("traceparent", [None, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"])
async def test_a_connection_is_one_trace_and_each_message_a_request_of_it(
    gateway: Gateway, spans: InMemorySpanExporter, traceparent: str | None
) -> None:
    token = await player(gateway)
    spans.clear()
    async with opened(gateway, additional_headers={"traceparent": traceparent} if traceparent else {}) as socket:
        await say(socket, {"token": token})
        for number in range(2):
            await say(socket, {"request_id": f"s{number}", "bet": 5})
    finished = spans.get_finished_spans()
    traces = {f"{span.context.trace_id:032x}" for span in finished}
    assert len(traces) == 1
    assert not traceparent or traces == {traceparent.split("-")[1]}
    served = [span for span in finished if span.kind is SpanKind.SERVER]
    names = [span.name for span in served if not span.name.endswith("Payout")]
    spin = ["reelback.v1.User/CheckSession", "reelback.v1.Payment/Charge", "reelback.v1.Game/Spin", "WEBSOCKET spin"]
    assert names == ["reelback.v1.User/CheckSession", f"WEBSOCKET {API}/play", *spin, *spin]
    assert all(span.parent is None or span.parent.is_remote for span in served)


TRACE = "0af7651916cd43dd8448eb211c80319c"
CLICK = "b7ad6b7169203331"


@pytest.mark.parametrize(
    "headers", [{"traceparent": f"00-{TRACE}-{CLICK}-01"}, {"sentry-trace": f"{TRACE}-{CLICK}-0", "baggage": "a=b"}]
)
async def test_a_bet_goes_on_with_the_trace_that_it_names(
    gateway: Gateway, spans: InMemorySpanExporter, headers: dict[str, str]
) -> None:
    token = await player(gateway)
    async with opened(gateway) as socket:
        await say(socket, {"token": token})
        spans.clear()
        assert "round" in await say(socket, {"request_id": "s1", "bet": 5, "trace": headers})
        traced = {f"{span.context.trace_id:032x}" for span in spans.get_finished_spans()}
        spans.clear()
        assert "round" in await say(socket, {"request_id": "s2", "bet": 5, "trace": {"traceparent": "00-nonsense"}})
        not_traced = {f"{span.context.trace_id:032x}" for span in spans.get_finished_spans()}
    assert traced == {TRACE}
    assert len(not_traced) == 1
    assert TRACE not in not_traced
