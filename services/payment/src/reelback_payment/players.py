"""What payment asks the user service about a player."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC
from typing import TYPE_CHECKING

import grpc
from reelback.v1 import user_pb2
from reelback_common import account_kind

from reelback_payment.wallet import Unknown

if TYPE_CHECKING:  # the stubs' types exist for the type checker only
    from reelback.v1.user_pb2_grpc import UserAsyncStub

ANSWER_SECONDS = 2.0

log = logging.getLogger(__name__)


class NotVerified(Exception):
    """The player's KYC state does not allow the move."""


class UserAway(Exception):
    """The user service does not answer."""


@contextmanager
def asking_user(answers: Mapping[grpc.StatusCode, Exception]) -> Iterator[None]:
    """Around a call of the user service: raises what one of its codes means here, or UserAway."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        if answer := answers.get(error.code()):
            raise answer from None
        log.warning("user does not answer: %s %s", error.code().name, error.details())
        raise UserAway("the user service does not answer, try again") from error


class Players:
    """The players as the user service knows them."""

    def __init__(self, user: UserAsyncStub) -> None:
        self._user = user

    async def check_known(self, player_id: str) -> None:
        """Raises Unknown for a player whom user does not know, and UserAway."""
        await self._profile(player_id)

    async def check_verified(self, player_id: str) -> None:
        """Raises NotVerified, Unknown, and UserAway."""
        kyc = (await self._profile(player_id)).kyc
        if kyc != user_pb2.KYC_VERIFIED:
            state = user_pb2.Kyc.Name(kyc).removeprefix("KYC_").lower()
            raise NotVerified(f"kyc: the player must be verified to withdraw, the state is {state}")

    async def _profile(self, player_id: str) -> user_pb2.Profile:
        request = user_pb2.GetProfileRequest(player_id=player_id)
        with asking_user({grpc.StatusCode.NOT_FOUND: Unknown("player_id: no such player")}):
            profile = await self._user.GetProfile(request, timeout=ANSWER_SECONDS)
        account_kind.describe(verified=profile.kyc == user_pb2.KYC_VERIFIED, since=profile.created_at.ToDatetime(UTC))
        return profile
