"""The routes of the back office. What each role may do is in one table, `reelback_common.staff.roles`."""

from fastapi import APIRouter

from reelback_gateway.admin import figures, log, money, players
from reelback_gateway.api import RESPONSES
from reelback_gateway.backend import ADDRESS_LIMIT

router = APIRouter(prefix="/api/v1/admin", dependencies=ADDRESS_LIMIT, responses=RESPONSES, tags=["back office"])
for part in (players, money, figures, log):
    router.include_router(part.router)
