"""Players: found, looked at, and verified."""

from __future__ import annotations

import grpc
from fastapi import APIRouter
from reelback.v1 import user_pb2
from reelback_common.staff.roles import May, granted

from reelback_gateway.admin.models import FoundPlayer, KycDecision, Member, Page, Search
from reelback_gateway.admin.staff import Cursor, KycDecider, PageSize, PlayerId, Viewer, is_late, late, people
from reelback_gateway.backend import Backend, BackendOf, permit
from reelback_gateway.tokens import Claims

router = APIRouter()

_KYC = {"verified": user_pb2.KYC_VERIFIED, "refused": user_pb2.KYC_REFUSED}


@router.get("/me")
async def me(member: Viewer, backend: BackendOf) -> Member:
    """Who is signed in, and what he may do."""
    profile = await backend.user.GetProfile(user_pb2.GetProfileRequest(player_id=member.player_id))
    return Member(
        player_id=profile.player_id,
        display_name=profile.display_name,
        roles=sorted(member.roles),
        may=sorted(granted(member.roles)),
    )


@router.get("/players")
async def list_players(
    member: Viewer, backend: BackendOf, cursor: Cursor = "", limit: PageSize = 50
) -> Page[FoundPlayer]:
    """All players, who registered last first."""
    request = user_pb2.ListPlayersRequest(cursor=cursor, limit=limit)
    return await _page(await backend.office.user.ListPlayers(request), member, backend)


@router.post("/players/search")
async def find_players(body: Search, member: Viewer, backend: BackendOf) -> Page[FoundPlayer]:
    """Players by id, address of mail or name. A body, because addresses stay out of logs of what was asked for."""
    if "@" in body.text:
        permit(member, May.CONTACT, "players are found by their address by support and finance")
    request = user_pb2.ListPlayersRequest(text=body.text, cursor=body.cursor)
    return await _page(await backend.office.user.ListPlayers(request), member, backend)


@router.get("/players/{player_id}")
async def player(player_id: PlayerId, member: Viewer, backend: BackendOf) -> FoundPlayer:
    """One player."""
    return await _one(await backend.user.GetProfile(user_pb2.GetProfileRequest(player_id=player_id)), member, backend)


@router.get("/kyc")
async def waiting_documents(
    member: Viewer, backend: BackendOf, cursor: Cursor = "", limit: PageSize = 50
) -> Page[FoundPlayer]:
    """Players whose documents wait to be looked at, who has waited longest first."""
    request = user_pb2.ListKycRequest(cursor=cursor, limit=limit)
    return await _page(await backend.office.user.ListKyc(request), member, backend)


@router.post("/players/{player_id}/kyc")
async def decide_kyc(player_id: PlayerId, body: KycDecision, member: KycDecider, backend: BackendOf) -> FoundPlayer:
    """Decide on a player's documents. Deciding the same twice changes nothing; `kyc_decided_by` was first."""
    request = user_pb2.DecideKycRequest(player_id=player_id, kyc=_KYC[body.decision], session_id=member.session_id)
    try:
        decided = await backend.office.user.DecideKyc(request)
    except grpc.aio.AioRpcError as error:
        if is_late(error):
            now = await backend.user.GetProfile(user_pb2.GetProfileRequest(player_id=player_id))
            if now.kyc_decided_by:
                first = await people(backend, [now.kyc_decided_by])
                at = now.kyc_changed_at.ToJsonString()
                late(first[now.kyc_decided_by], user_pb2.Kyc.Name(now.kyc).removeprefix("KYC_").lower(), at)
        raise
    return await _one(decided, member, backend)


async def _one(profile: user_pb2.Profile, member: Claims, backend: Backend) -> FoundPlayer:
    deciders = await people(backend, [profile.kyc_decided_by])
    return FoundPlayer.seen(profile, contact=May.CONTACT in granted(member.roles), deciders=deciders)


async def _page(found: user_pb2.Players, member: Claims, backend: Backend) -> Page[FoundPlayer]:
    contact = May.CONTACT in granted(member.roles)
    deciders = await people(backend, [profile.kyc_decided_by for profile in found.players])
    items = [FoundPlayer.seen(profile, contact=contact, deciders=deciders) for profile in found.players]
    return Page(items=items, next=found.next or None)
