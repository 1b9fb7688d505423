"""What user can be made to do wrong: see reelback_common.debug_endpoints."""

from __future__ import annotations

import secrets

import sentry_sdk
from reelback_common.debugging import Action, Unauthenticated
from reelback_telemetry import security

from reelback_user.store import Sessions


def guess_session(sessions: Sessions) -> Action:
    """Ask for a session that nobody has opened, as whoever guesses one does."""

    async def guess(_: float) -> str:
        if await sessions.find(secrets.token_urlsafe(32)) is None:
            sentry_sdk.add_breadcrumb(category="auth", message="a session was guessed")
            security.report("guessed-session", "a session was asked for that nobody has opened")
            raise Unauthenticated("the session has ended, sign in again")
        return "it was guessed"

    return guess
