"""Who of the staff asks, and what people are called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, NoReturn

import grpc
from fastapi import Depends, Path, Query
from grpc import StatusCode
from reelback.v1 import user_pb2
from reelback_common.staff.roles import May

from reelback_gateway.admin.models import Person
from reelback_gateway.backend import Backend, Player, permit
from reelback_gateway.problems import Problem
from reelback_gateway.tokens import Claims

Cursor = Annotated[str, Query(max_length=200, description="`next` of the page before")]
PageSize = Annotated[int, Query(ge=1, le=100)]
PlayerId = Annotated[str, Path(pattern=r"^[A-Za-z0-9._:-]{1,128}$")]

_REFUSALS = {
    May.SEE: "the back office is for members of staff",
    May.DECIDE_KYC: "documents are decided on by support",
    May.DECIDE_MONEY: "money is decided on by finance",
}


def _who_may(what: May) -> Callable[[Claims], Awaitable[Claims]]:
    async def member(player: Player) -> Claims:
        permit(player, what, _REFUSALS[what])
        return player

    return member


Viewer = Annotated[Claims, Depends(_who_may(May.SEE))]
KycDecider = Annotated[Claims, Depends(_who_may(May.DECIDE_KYC))]
MoneyDecider = Annotated[Claims, Depends(_who_may(May.DECIDE_MONEY))]


async def people(backend: Backend, player_ids: Iterable[str]) -> dict[str, Person]:
    """Who these players are, with one call; who is not known has an empty name."""
    wanted = {*player_ids} - {""}
    if not wanted:
        return {}
    answer = await backend.office.user.GetProfiles(user_pb2.GetProfilesRequest(player_ids=sorted(wanted)))
    names = {profile.player_id: profile.display_name for profile in answer.players}
    return {player_id: Person(player_id=player_id, display_name=names.get(player_id, "")) for player_id in wanted}


def is_late(error: grpc.aio.AioRpcError) -> bool:
    """Whether a decision was refused for what somebody has decided before."""
    return error.code() in (StatusCode.FAILED_PRECONDITION, StatusCode.ABORTED)


def late(first: Person, state: str, at: str) -> NoReturn:
    """Say who was first. Raises Problem 409."""
    raise Problem(
        409,
        f"{first.display_name or first.player_id} was first: it is {state} since {at}",
        "decided-before",
        decided_by=first.model_dump(),
        decided_at=at,
        state=state,
    )
