"""The HTTP routes: from JSON to a call, and back."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from reelback.v1 import game_pb2, payment_pb2, user_pb2

from reelback_gateway.backend import BackendOf, Player, check_address
from reelback_gateway.models import (
    Bet,
    Credentials,
    Deposit,
    Entry,
    Paytable,
    ProblemDetails,
    Profile,
    Registration,
    Round,
    Token,
    Wallet,
)
from reelback_gateway.tokens import Claims

Limit = Annotated[int, Query(ge=1, le=500)]

router = APIRouter(
    prefix="/api/v1",
    dependencies=[Depends(check_address)],
    responses={"default": {"model": ProblemDetails, "description": "A problem (application/problem+json)"}},
)


@router.post("/users", status_code=201, tags=["players"])
async def register(body: Registration, backend: BackendOf) -> Profile:
    """Register a player."""
    request = user_pb2.RegisterRequest(email=body.email, password=body.password, display_name=body.display_name)
    return Profile.of(await backend.user.Register(request))


@router.post("/sessions", status_code=201, tags=["players"])
async def sign_in(body: Credentials, backend: BackendOf) -> Token:
    """Sign in."""
    session = await backend.user.SignIn(user_pb2.SignInRequest(email=body.email, password=body.password))
    expires_at = session.expires_at.ToDatetime(UTC)
    token = backend.tokens.issue(Claims(session.player_id, session.session_id), expires_at)
    return Token(token=token, player_id=session.player_id, expires_at=expires_at)


@router.delete("/sessions", status_code=204, tags=["players"])
async def sign_out(player: Player, backend: BackendOf) -> None:
    """Sign out: the token is void from now on."""
    await backend.user.SignOut(user_pb2.SignOutRequest(session_id=player.session_id))


@router.get("/profile", tags=["players"])
async def profile(player: Player, backend: BackendOf) -> Profile:
    """Who is signed in."""
    return Profile.of(await backend.user.GetProfile(user_pb2.GetProfileRequest(player_id=player.player_id)))


@router.post("/deposits", status_code=201, tags=["money"])
async def deposit(body: Deposit, player: Player, backend: BackendOf) -> Entry:
    """Put money into the wallet."""
    request = payment_pb2.MoveRequest(request_id=body.request_id, player_id=player.player_id, amount=body.amount)
    return Entry.of(await backend.payment.Deposit(request))


@router.get("/wallet", tags=["money"])
async def wallet(player: Player, backend: BackendOf) -> Wallet:
    """The balance."""
    return Wallet.of(await backend.payment.GetWallet(payment_pb2.GetWalletRequest(player_id=player.player_id)))


@router.get("/wallet/entries", tags=["money"])
async def entries(player: Player, backend: BackendOf, limit: Limit = 50) -> list[Entry]:
    """The newest entries of the ledger first."""
    request = payment_pb2.ListEntriesRequest(player_id=player.player_id, limit=limit)
    return [Entry.of(entry) async for entry in backend.payment.ListEntries(request)]


@router.post("/spins", status_code=201, tags=["game"])
async def spin(body: Bet, player: Player, backend: BackendOf) -> Round:
    """Play one round."""
    request = game_pb2.SpinRequest(request_id=body.request_id, player_id=player.player_id, bet=body.bet)
    return Round.of(await backend.game.Spin(request))


@router.get("/spins", tags=["game"])
async def spins(player: Player, backend: BackendOf, limit: Limit = 50) -> list[Round]:
    """The newest rounds first."""
    answer = await backend.game.ListRounds(game_pb2.ListRoundsRequest(player_id=player.player_id, limit=limit))
    return [Round.of(played) for played in answer.rounds]


@router.get("/paytable", tags=["game"])
async def paytable(backend: BackendOf) -> Paytable:
    """What the machine pays."""
    return Paytable.of(await backend.game.GetPaytable(game_pb2.GetPaytableRequest()))
