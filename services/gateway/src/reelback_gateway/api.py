"""The HTTP routes: from JSON to a call, and back."""

from __future__ import annotations

from datetime import UTC
from typing import Annotated, Any

from fastapi import APIRouter, Query
from reelback.v1 import analytics_pb2, game_pb2, payment_pb2, user_pb2
from reelback_telemetry import business

from reelback_gateway.backend import ADDRESS_LIMIT, Address, BackendOf, Player
from reelback_gateway.models import (
    Bet,
    Code,
    Credentials,
    Entry,
    Leaderboard,
    Limits,
    LimitsRequest,
    Move,
    Paytable,
    ProblemDetails,
    Profile,
    Registration,
    RequestId,
    Round,
    Token,
    Transfer,
    Wallet,
)
from reelback_gateway.tokens import Claims

Limit = Annotated[int, Query(ge=1, le=500)]

RESPONSES: dict[int | str, dict[str, Any]] = {
    "default": {"model": ProblemDetails, "description": "A problem (application/problem+json)"}
}

router = APIRouter(prefix="/api/v1", dependencies=ADDRESS_LIMIT, responses=RESPONSES)


@router.post("/users", status_code=201, tags=["players"])
async def register(body: Registration, backend: BackendOf, address: Address) -> Profile:
    """Register a player."""
    await backend.limiter.check_password(address)
    request = user_pb2.RegisterRequest(email=body.email, password=body.password, display_name=body.display_name)
    return Profile.of(await backend.user.Register(request))


@router.post("/sessions", status_code=201, tags=["players"])
async def sign_in(body: Credentials, backend: BackendOf, address: Address) -> Token:
    """Sign in."""
    await backend.limiter.check_password(address)
    request = user_pb2.SignInRequest(email=body.email, password=body.password, address=address)
    session = await backend.user.SignIn(request)
    expires_at = session.expires_at.ToDatetime(UTC)
    token = backend.tokens.issue(Claims(session.player_id, session.session_id), expires_at)
    return Token(token=token, player_id=session.player_id, expires_at=expires_at, roles=[*session.roles])


@router.delete("/sessions", status_code=204, tags=["players"])
async def sign_out(player: Player, backend: BackendOf) -> None:
    """Sign out: the token is void from now on."""
    await backend.user.SignOut(user_pb2.SignOutRequest(session_id=player.session_id))


@router.get("/profile", tags=["players"])
async def profile(player: Player, backend: BackendOf) -> Profile:
    """Who is signed in."""
    return Profile.of(await backend.user.GetProfile(user_pb2.GetProfileRequest(player_id=player.player_id)))


@router.post("/profile/email", tags=["players"])
async def verify_email(body: Code, player: Player, backend: BackendOf) -> Profile:
    """Verify the address with the code of the first mail: from now on mail goes there."""
    request = user_pb2.VerifyEmailRequest(player_id=player.player_id, code=body.code)
    return Profile.of(await backend.user.VerifyEmail(request))


@router.post("/kyc", status_code=202, tags=["players"])
async def hand_in_documents(player: Player, backend: BackendOf) -> Profile:
    """Hand in documents, to be verified: somebody will look at them."""
    return Profile.of(await backend.user.SubmitKyc(user_pb2.SubmitKycRequest(player_id=player.player_id)))


@router.post("/deposits", status_code=201, tags=["money"])
async def deposit(body: Move, player: Player, backend: BackendOf) -> Entry:
    """Put money into the wallet."""
    request = payment_pb2.MoveRequest(request_id=body.request_id, player_id=player.player_id, amount=body.amount)
    return Entry.of(await backend.payment.Deposit(request))


@router.post("/withdrawals", status_code=201, tags=["money"])
async def withdraw(body: Move, player: Player, backend: BackendOf) -> Entry:
    """Take money out of the wallet: settled at once when it is little, else when somebody has decided."""
    request = payment_pb2.MoveRequest(request_id=body.request_id, player_id=player.player_id, amount=body.amount)
    return Entry.of(await backend.payment.Withdraw(request))


@router.get("/transfers/{request_id}", tags=["money"])
async def transfer(request_id: RequestId, player: Player, backend: BackendOf) -> Transfer:
    """How far a deposit or a withdrawal has come."""
    request = payment_pb2.GetEntryRequest(request_id=request_id, player_id=player.player_id)
    return Transfer.of(await backend.payment.GetTransfer(request))


@router.get("/limits", tags=["money"])
async def limits(player: Player, backend: BackendOf) -> Limits:
    """What the player is held to."""
    return Limits.of(await backend.payment.GetLimits(payment_pb2.GetLimitsRequest(player_id=player.player_id)))


@router.put("/limits", tags=["money"])
async def set_limits(body: LimitsRequest, player: Player, backend: BackendOf) -> Limits:
    """Be held to other limits: to lower ones from now on, to higher ones a day later."""
    business.track_feature_usage("limits")
    request = payment_pb2.Limits(player_id=player.player_id, deposit_per_day=body.deposit_per_day, bet=body.bet)
    return Limits.of(await backend.payment.SetLimits(request))


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


@router.get("/leaderboard", tags=["game"])
async def leaderboard(backend: BackendOf) -> Leaderboard:
    """Who has bet the most in the last hour; without names."""
    business.track_feature_usage("leaderboard")
    return Leaderboard.of(await backend.analytics.GetReport(analytics_pb2.GetReportRequest()))


@router.get("/paytable", tags=["game"])
async def paytable(backend: BackendOf) -> Paytable:
    """What the machine pays."""
    return Paytable.of(await backend.game.GetPaytable(game_pb2.GetPaytableRequest()))
