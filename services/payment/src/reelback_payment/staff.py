"""Whether whoever decides may: the user service knows the session, the table of roles the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc import StatusCode
from reelback.v1 import user_pb2
from reelback_common.staff.roles import May, granted
from reelback_telemetry import security

from reelback_payment.players import ANSWER_SECONDS, asking_user

if TYPE_CHECKING:  # the stubs' types exist for the type checker only
    from reelback.v1.user_pb2_grpc import UserAsyncStub


class SignedOut(Exception):
    """The session of whoever decides is not open."""


class NotAllowed(Exception):
    """Whoever decides has no role that may, or it is about his own money."""


class Staff:
    """Those who decide on money."""

    def __init__(self, user: UserAsyncStub) -> None:
        self._user = user

    async def who(self, session_id: str, player_id: str) -> str:
        """The player's id of who has this session and may decide on the money of another player.

        Raises SignedOut, NotAllowed, and UserAway.
        """
        request = user_pb2.CheckSessionRequest(session_id=session_id)
        with asking_user({StatusCode.UNAUTHENTICATED: SignedOut("the session has ended, sign in again")}):
            session = await self._user.CheckSession(request, timeout=ANSWER_SECONDS)
        if May.DECIDE_MONEY not in granted(session.roles):
            security.report("permission", "somebody without the role for it asked for a decision")
            raise NotAllowed("no role of yours may decide on money")
        if session.player_id == player_id:
            raise NotAllowed("nobody decides on his own money")
        return session.player_id
