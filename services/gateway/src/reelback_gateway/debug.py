"""The debug endpoints: what the services can be made to do wrong, for testers. There are none in production."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field
from reelback.v1 import debug_pb2
from reelback_common.debug_endpoints import ENDPOINTS, Endpoint, Section
from reelback_common.staff.roles import May

from reelback_gateway.api import RESPONSES
from reelback_gateway.backend import ADDRESS_LIMIT, BackendOf, Player, permit
from reelback_gateway.tokens import Claims

router = APIRouter(prefix="/api/v1", dependencies=ADDRESS_LIMIT, responses=RESPONSES, tags=["debug"])


class Trigger(BaseModel):
    """How much of it, where the endpoint has an amount."""

    model_config = ConfigDict(extra="forbid", strict=True)

    amount: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class Triggered(BaseModel):
    """What came of it, where nothing failed."""

    message: str


class DebugAmount(BaseModel):
    """How much of it may be asked for: seconds or megabytes."""

    unit: str
    usual: float
    most: float


class DebugEndpoint(BaseModel):
    """What a service can be made to do wrong.

    `path` is below /api/v1; `status` is what is answered, `event` how the event's title in Sentry begins. What has
    `undo` is taken back by DELETE.
    """

    service: str
    name: str
    path: str
    section: Section
    status: int
    event: str
    what: str
    amount: DebugAmount | None
    undo: bool

    @classmethod
    def of(cls, endpoint: Endpoint) -> Self:
        """From the table."""
        return cls.model_validate(endpoint, from_attributes=True)


async def tester(player: Player, backend: BackendOf) -> Claims:
    """The player, who is a tester. Raises Problem 401, 403 or 429."""
    permit(player, May.DEBUG, "debug endpoints are for testers")
    await backend.limiter.check_debug(player.player_id)
    return player


Tester = Annotated[Claims, Depends(tester)]


@router.get("/debug")
async def endpoints(_: Tester) -> list[DebugEndpoint]:
    """All of them."""
    return [DebugEndpoint.of(endpoint) for endpoint in ENDPOINTS.values()]


def _trigger(endpoint: Endpoint) -> Callable[..., Awaitable[Triggered]]:
    async def trigger(player: Tester, backend: BackendOf, body: Trigger | None = None) -> Triggered:
        amount = (body and body.amount) or 0.0
        request = debug_pb2.TriggerRequest(name=endpoint.name, player_id=player.player_id, amount=amount)
        return Triggered(message=(await backend.debug[endpoint.service].Trigger(request)).message)

    return trigger


def _undo(endpoint: Endpoint) -> Callable[..., Awaitable[Triggered]]:
    async def undo(player: Tester, backend: BackendOf) -> Triggered:
        request = debug_pb2.TriggerRequest(name=endpoint.name, player_id=player.player_id, undo=True)
        return Triggered(message=(await backend.debug[endpoint.service].Trigger(request)).message)

    return undo


def _summary(endpoint: Endpoint) -> str:
    if endpoint.amount is None:
        return endpoint.what
    amount = endpoint.amount
    return f"{endpoint.what} {amount.usual:g} {amount.unit}, at most {amount.most:g}."


for _endpoint in ENDPOINTS.values():
    router.add_api_route(
        _endpoint.path,
        _trigger(_endpoint),
        methods=["POST"],
        status_code=201,
        description=_summary(_endpoint),
        name=f"debug {_endpoint.service}/{_endpoint.name}",
    )
    if _endpoint.undo:
        router.add_api_route(
            _endpoint.path,
            _undo(_endpoint),
            methods=["DELETE"],
            description="Take it back.",
            name=f"undo {_endpoint.service}/{_endpoint.name}",
        )
