"""Signing in to the stand-in for mongod, which knows no users: SCRAM-SHA-256, as MongoDB's drivers speak it. No I/O."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

from scramp import ScramException, ScramMechanism

from reelback_local.stores.access import USER

UNAUTHORIZED, AUTHENTICATION_FAILED = 13, 18
"""MongoDB's error codes."""

SIGN_IN = frozenset({"saslStart", "saslContinue"})
OPEN = frozenset({"hello", "ismaster", "isMaster"})
"""Commands for everybody: a driver's first, which says nothing of the data."""


class Gate:
    """Which connections have signed in. Its calls come from several threads, those of one connection in turn."""

    def __init__(self, password: str) -> None:
        self._mechanism = ScramMechanism("SCRAM-SHA-256")
        self._known = self._mechanism.make_auth_info(password)
        self._talks: dict[Hashable, Any] = {}
        self._in: set[Hashable] = set()

    def answer(self, connection: Hashable, command: str, payload: bytes) -> Mapping[str, Any] | None:
        """The fields of the gate's own answer; None when the command may go on. `payload` is that of a sign-in."""
        if command in SIGN_IN:
            return self._sign_in(connection, command, payload)
        if command in OPEN or connection in self._in:
            return None
        return _error(UNAUTHORIZED, "Unauthorized", f"command {command} requires authentication")

    def close(self, connection: Hashable) -> None:
        """Forget a connection."""
        self._talks.pop(connection, None)
        self._in.discard(connection)

    def _sign_in(self, connection: Hashable, command: str, payload: bytes) -> Mapping[str, Any]:
        try:
            if command == "saslStart":
                talk = self._talks[connection] = self._mechanism.make_server(self._user)
                talk.set_client_first(payload.decode())
                said = talk.get_server_first()
            else:
                talk = self._talks.pop(connection)
                talk.set_client_final(payload.decode())
                said = talk.get_server_final()
                self._in.add(connection)
        except (ScramException, KeyError, ValueError):
            self.close(connection)
            return _error(AUTHENTICATION_FAILED, "AuthenticationFailed", "Authentication failed.")
        return {"conversationId": 1, "payload": said.encode(), "done": command == "saslContinue", "ok": 1.0}

    def _user(self, name: str) -> Any:
        if name != USER:
            raise KeyError(name)
        return self._known


def _error(code: int, name: str, text: str) -> Mapping[str, Any]:
    return {"ok": 0.0, "errmsg": text, "code": code, "codeName": name}
