"""Spins over a WebSocket.

The token comes as the subprotocol after `bearer`, or in the first message, `{"token": "..."}`; the answer is
`{"player_id": "..."}`. Then each message is a bet, `{"request_id": "...", "bet": 10}`, answered in order with
`{"round": {...}}` or `{"problem": {...}}`. A bet may have the headers of its trace, `"trace": {"traceparent": ...}`;
without them it is part of the connection's. A refused sign-in or an ended session ends the connection, with the
problem as its last message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import grpc
from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from opentelemetry import propagate
from opentelemetry.trace import Status, StatusCode
from pydantic import BaseModel, Field, ValidationError
from reelback.v1 import game_pb2
from reelback_telemetry import asgi, business, edge

from reelback_gateway import problems
from reelback_gateway.backend import Backend, BackendOf, address, check_address
from reelback_gateway.models import Bet, Request, Round
from reelback_gateway.problems import Problem

SIGN_IN_SECONDS = 10
POLICY_VIOLATION = 1008
TRACE_LENGTH = 1024

Json: TypeAlias = dict[str, Any]
RequestT = TypeVar("RequestT", bound=Request)
router = APIRouter(prefix="/api/v1")


class SignIn(Request):
    """The first message, when there was no subprotocol."""

    token: str


TraceHeaders: TypeAlias = dict[
    Literal["traceparent", "sentry-trace", "baggage"], Annotated[str, Field(max_length=TRACE_LENGTH)]
]


class Traced(BaseModel):
    """A message as far as its trace goes, whatever else is in it."""

    trace: TraceHeaders


class TracedBet(Bet):
    """A bet, and the headers that its trace has, as a browser cannot send any with a message."""

    trace: TraceHeaders = Field(default_factory=dict)


@router.websocket("/play")
async def play(socket: WebSocket, backend: BackendOf) -> None:
    """Play rounds until the player goes."""
    offered: list[str] = socket.scope["subprotocols"]
    by_protocol = len(offered) == 2 and offered[0] == "bearer"
    await socket.accept(subprotocol="bearer" if by_protocol else None)
    try:
        async with asyncio.timeout(SIGN_IN_SECONDS):
            first = SignIn(token=offered[1]).model_dump_json() if by_protocol else await _receive(socket)
        session = _Session(socket, backend)
        if await session.answer("WEBSOCKET /api/v1/play", session.sign_in(first)) is None:
            status = None
            while status != 401:
                bet = await _receive(socket)
                status = await session.answer("WEBSOCKET spin", session.spin(bet), _trace(bet))
        await socket.close(POLICY_VIOLATION)
    except WebSocketDisconnect:
        return
    except TimeoutError:
        await socket.close(POLICY_VIOLATION, f"no token within {SIGN_IN_SECONDS} s")


class _Session:
    """A connection and the player it belongs to."""

    def __init__(self, socket: WebSocket, backend: Backend) -> None:
        self._socket = socket
        self._backend = backend
        self._token = ""
        self._trace: dict[str, str] | None = None

    async def sign_in(self, message: str | bytes) -> Json:
        """Whose connection it is."""
        # Later messages join the trace of this one, and this one that of the handshake.
        self._trace = {}
        propagate.inject(self._trace)
        await check_address(self._backend, address(self._socket))
        self._token = _parse(SignIn, message).token
        claims = await self._backend.authenticate(self._token)
        business.track_feature_usage("websocket")
        return {"player_id": claims.player_id}

    async def spin(self, message: str | bytes) -> Json:
        """Play one round, if the session is still open."""
        claims = await self._backend.authenticate(self._token)
        bet = _parse(TracedBet, message)
        request = game_pb2.SpinRequest(request_id=bet.request_id, player_id=claims.player_id, bet=bet.bet)
        return {"round": Round.of(await self._backend.game.Spin(request)).model_dump(mode="json")}

    async def answer(self, name: str, work: Awaitable[Json], trace: dict[str, str] | None = None) -> int | None:
        """Send what `work` returns, or the problem it has; the status of the problem. One request of its own, in its
        own `trace` or in the connection's."""
        problem: Problem | None = None
        with asgi.message(name, trace or self._trace) as span:
            try:
                body = await work
            except Problem as refusal:
                problem = refusal
            except grpc.aio.AioRpcError as error:
                problem = problems.of_call(error)
            if problem:
                body = {"problem": problem.body()}
                if problem.status_code >= 500:
                    span.set_status(Status(StatusCode.ERROR, str(problem.status_code)))
        await self._socket.send_json(body)
        return problem.status_code if problem else None


def _parse(model: type[RequestT], message: str | bytes) -> RequestT:
    """The message as a request. Raises Problem 422."""
    try:
        return model.model_validate_json(message)
    except ValidationError as error:
        raise problems.of_validation(error.errors(include_url=False, include_input=False)) from None


def _trace(message: str | bytes) -> dict[str, str]:
    """The trace headers of a message as far as they are believed; none of one that is no bet."""
    try:
        headers = Traced.model_validate_json(message).trace
    except ValidationError:
        return {}
    carried = edge.carrier((name.encode(), value.encode()) for name, value in headers.items())
    return carried if edge.TRACEPARENT in carried else {}


async def _receive(socket: WebSocket) -> str | bytes:
    """The next message. Raises WebSocketDisconnect."""
    event = await socket.receive()
    if event["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(event["code"], event.get("reason"))
    message: str | bytes = event.get("text") or event.get("bytes") or ""
    return message
