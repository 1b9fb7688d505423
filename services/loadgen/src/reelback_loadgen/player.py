"""What one player does."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

import gevent
from locust import FastHttpUser, constant_throughput, task

DEPOSIT = 100_000
"""Minor units; some thousand spins."""

STAKES = (1, 2, 5, 10)
"""Minor units on each line of the machine."""

RUN = uuid.uuid4().hex[:8]
"""Makes the addresses of this run its own, since the stack may remember earlier players."""


class Player(FastHttpUser):
    """Registers once, and then does one thing after the other. A failure is counted, and the player goes on."""

    abstract = True
    connection_timeout = 5.0
    network_timeout = 5.0

    def on_start(self) -> None:
        """Register and sign in; again and again if the stack does not let me."""
        self._headers: dict[str, str] = {}
        while (session := self._join()) is None:
            gevent.sleep(1)
        self._headers = {"Authorization": f"Bearer {session['token']}"}
        self._balance = 0
        while (machine := self._get("paytable")) is None:
            gevent.sleep(1)
        self._lines = len(machine["lines"])

    def _join(self) -> dict[str, Any] | None:
        """A session of a player who is new with every attempt: the last one may have been half done."""
        account = {"email": f"player-{RUN}-{uuid.uuid4().hex[:12]}@players.example", "password": secrets.token_hex(16)}
        registered = self._post("users", account | {"display_name": "Load"})
        return registered and self._post("sessions", account)

    @task(83)
    def spin(self) -> None:
        """Play a round, or fill the wallet when it is empty."""
        bet = self._lines * secrets.choice(STAKES)
        if self._balance < bet:
            if self._post("deposits", {"request_id": uuid.uuid4().hex, "amount": DEPOSIT}) is not None:
                self._balance = DEPOSIT
            return
        if played := self._post("spins", {"request_id": uuid.uuid4().hex, "bet": bet}):
            self._balance = played["balance_after"]

    @task(5)
    def look_at_wallet(self) -> None:
        """Look at the wallet."""
        self._get("wallet")

    @task(5)
    def look_at_rounds(self) -> None:
        """Look at the last rounds."""
        self._get("spins?limit=20")

    @task(2)
    def look_at_leaderboard(self) -> None:
        """Look who has bet the most."""
        self._get("leaderboard")

    @task(3)
    def look_at_ledger(self) -> None:
        """Look at the ledger."""
        self._get("wallet/entries?limit=20")

    @task(2)
    def look_at_profile(self) -> None:
        """Look at the own profile."""
        self._get("profile")

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """The answer, or None if there is none worth having."""
        return _content(self.client.post(f"/api/v1/{path}", json=body, headers=self._headers))

    def _get(self, path: str) -> dict[str, Any] | None:
        return _content(self.client.get(f"/api/v1/{path}", headers=self._headers))


def _content(response: Any) -> dict[str, Any] | None:
    """The JSON of a success; Locust's own `ok` holds for a connection that broke as well (status 0)."""
    return response.json() if 200 <= response.status_code < 300 else None


def players(rps: float) -> tuple[type[Player], int, float]:
    """The class of the players, how many of them send `rps` together, and how many begin in a second.

    One player stays well below what the gateway grants a player. They begin gently, because a registration costs
    the stack a slow hash.
    """
    count = max(2, round(rps))

    class Paced(Player):
        wait_time = constant_throughput(rps / count)

    return Paced, count, max(2, count / 5)
