"""Three small services in a row, built from reelback_common as the real ones are: front (HTTP) -> middle -> back.

`python chain.py front|middle|back`; the variables are those of every service, and TARGET.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
from reelback.v1 import game_pb2, game_pb2_grpc, payment_pb2, payment_pb2_grpc
from reelback_common import asgi, client, faults, server, settings, telemetry
from reelback_telemetry.asgi import message as message_request
from reelback_telemetry.context import set_player, trace_id
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

SECRET = "password=hunter2 of ada@example.org"
log = logging.getLogger("chain")


class Settings(settings.ServiceSettings):
    target: str = ""


class Back(payment_pb2_grpc.PaymentServicer):
    """Payment: a bet of 13 raises, of 14 is refused, of 15 takes a second."""

    async def Charge(self, request: payment_pb2.MoveRequest, context: Any) -> payment_pb2.Entry:
        set_player(request.player_id)
        await faults.inject("payment.charge.latency_ms")
        if request.amount == 13:
            raise ValueError(SECRET)
        if request.amount == 14:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "the balance is too small")
        if request.amount == 15:
            await asyncio.sleep(1)
        log.info("charged, %s", SECRET)
        return payment_pb2.Entry(amount=-request.amount)

    async def ListEntries(
        self, request: payment_pb2.ListEntriesRequest, context: Any
    ) -> AsyncIterator[payment_pb2.Entry]:
        yield payment_pb2.Entry(sequence=1)
        if request.limit == 13:
            raise ValueError(SECRET)
        yield payment_pb2.Entry(sequence=2)

    async def GetWallet(self, request: payment_pb2.GetWalletRequest, context: Any) -> payment_pb2.Wallet:
        """Tells which headers came."""
        return payment_pb2.Wallet(currency="\n".join(f"{k}={v}" for k, v in context.invocation_metadata()))


async def total(numbers: AsyncIterator[bytes], context: Any) -> bytes:
    """A stream in, one answer out."""
    return b"".join([number async for number in numbers])


async def echo(numbers: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
    """A stream in, a stream out; raises at 13."""
    async for number in numbers:
        if number == b"13":
            raise ValueError(SECRET)
        yield number


def add_back(to: grpc.aio.Server) -> None:
    payment_pb2_grpc.add_PaymentServicer_to_server(Back(), to)  # type: ignore[abstract]
    streams: dict[str, grpc.RpcMethodHandler[bytes, bytes]] = {
        "Total": grpc.stream_unary_rpc_method_handler(total),
        "Echo": grpc.stream_stream_rpc_method_handler(echo),
    }
    to.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Streams", streams),))


class Middle(game_pb2_grpc.GameServicer):
    """Game: calls back, unary and streaming."""

    def __init__(self, channel: client.Channel) -> None:
        self._payment: payment_pb2_grpc.PaymentAsyncStub = payment_pb2_grpc.PaymentStub(channel)
        self._total = channel.stream_unary("/test.Streams/Total")
        self._echo = channel.stream_stream("/test.Streams/Echo")

    async def Spin(self, request: game_pb2.SpinRequest, context: Any) -> game_pb2.Round:
        await self._payment.Charge(payment_pb2.MoveRequest(player_id=request.player_id, amount=request.bet))
        entries = [e async for e in self._payment.ListEntries(payment_pb2.ListEntriesRequest(limit=int(request.bet)))]
        wallet = await self._payment.GetWallet(payment_pb2.GetWalletRequest())
        return game_pb2.Round(win=len(entries), round_id=wallet.currency)

    async def ListRounds(self, request: game_pb2.ListRoundsRequest, context: Any) -> game_pb2.ListRoundsResponse:
        """Streams the limit and its neighbours."""
        numbers = [str(request.limit + i).encode() for i in range(3)]
        echoed = [number async for number in self._echo(iter(numbers))]
        joined = await self._total(iter(echoed))
        return game_pb2.ListRoundsResponse(rounds=[game_pb2.Round(round_id=joined.decode())])


def front(game: game_pb2_grpc.GameAsyncStub) -> Starlette:
    async def spin(bet: int) -> dict[str, Any]:
        played = await game.Spin(game_pb2.SpinRequest(player_id="p1", bet=bet))
        return {"trace_id": trace_id(), "win": played.win, "headers": played.round_id}

    async def post_spin(request: Request) -> JSONResponse:
        try:
            return JSONResponse(await spin(int(request.path_params["bet"])))
        except grpc.aio.AioRpcError as error:
            status = 409 if error.code() is grpc.StatusCode.FAILED_PRECONDITION else 502
            return JSONResponse({"trace_id": trace_id(), "code": error.code().name}, status)

    async def streams(request: Request) -> JSONResponse:
        answer = await game.ListRounds(game_pb2.ListRoundsRequest(limit=int(request.path_params["first"])))
        return JSONResponse({"trace_id": trace_id(), "joined": answer.rounds[0].round_id})

    async def boom(request: Request) -> JSONResponse:
        raise RuntimeError(SECRET)

    async def missing(request: Request) -> JSONResponse:
        raise HTTPException(404)

    async def play(socket: WebSocket) -> None:
        await socket.accept()
        async for message in socket.iter_json():
            with message_request("WS spin", message.get("trace")):
                await socket.send_json(await spin(message["bet"]))

    async def failed(request: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"trace_id": trace_id()}, 500)

    return Starlette(
        routes=[
            Route("/spins/{bet}", post_spin, methods=["POST"]),
            Route("/streams/{first}", streams),
            Route("/boom", boom),
            Route("/missing", missing),
            WebSocketRoute("/play", play),
        ],
        exception_handlers={Exception: failed},
    )


async def ready() -> None:
    """There is nothing to wait for."""


async def main(role: str, own: Settings) -> None:
    if role == "back":
        await server.serve(
            role,
            own,
            add_back,
            ready,
            ["reelback.v1.Payment"],
        )
        return
    async with client.connect(own.target) as channel:
        if role == "front":
            await asgi.serve(role, own, front(game_pb2_grpc.GameStub(channel)), ready)
        else:
            middle = Middle(channel)  # type: ignore[abstract]
            await server.serve(
                role,
                own,
                lambda s: game_pb2_grpc.add_GameServicer_to_server(middle, s),
                ready,
                ["reelback.v1.Game"],
            )


if __name__ == "__main__":
    loaded = settings.load(Settings)
    with telemetry.start(sys.argv[1], loaded):
        asyncio.run(main(sys.argv[1], loaded))
