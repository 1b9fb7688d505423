"""Methods that only some callers may use."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from grpc import StatusCode
from reelback.v1 import payment_pb2, payment_pb2_grpc
from reelback.v1.payment_pb2_grpc import PaymentStub
from reelback_common import client
from reelback_common.server import Server
from reelback_common.settings import ServiceSettings

TOKEN = "a token of at least thirty-two characters"
PAYOUT = "reelback.v1.Payment/Payout"


class Till(payment_pb2_grpc.PaymentServicer):
    """Pays whatever is asked for."""

    async def Payout(self, request: payment_pb2.MoveRequest, context: Any) -> payment_pb2.Entry:
        return payment_pb2.Entry(amount=request.amount)

    async def GetWallet(self, request: payment_pb2.GetWalletRequest, context: Any) -> payment_pb2.Wallet:
        return payment_pb2.Wallet(balance=5)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    async def ready() -> None:
        pass

    till = Till()  # type: ignore[abstract]
    server = Server(
        ServiceSettings(port=0, metrics_port=0),
        lambda it: payment_pb2_grpc.add_PaymentServicer_to_server(till, it),
        ready,
        ["reelback.v1.Payment"],
        {PAYOUT: TOKEN},
    )
    yield await server.start()
    await server.stop()


@pytest.mark.parametrize("token", ["", "another token", TOKEN + "x", TOKEN[:-1]])
async def test_without_the_token_the_method_is_not_for_the_caller(port: int, token: str) -> None:
    async with client.connect(f"ipv4:127.0.0.1:{port}", token=token) as channel:
        stub = PaymentStub(channel)
        for _ in range(2):  # the first refusal is not what is remembered of the method
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Payout(payment_pb2.MoveRequest(amount=7))
            assert (caught.value.code(), caught.value.details()) == (
                StatusCode.PERMISSION_DENIED, "this caller may not do that"
            )  # fmt: skip
        assert (await stub.GetWallet(payment_pb2.GetWalletRequest())).balance == 5, "this is for everybody"


async def test_with_the_token_it_is(port: int) -> None:
    async with client.connect(f"ipv4:127.0.0.1:{port}", token=TOKEN) as channel:
        assert (await PaymentStub(channel).Payout(payment_pb2.MoveRequest(amount=7))).amount == 7
