"""Players who insist: each request is sent again, under the same id, until it is answered."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from typing import Any

import aiohttp

BET = 5
DEPOSIT = 2_000
DEPOSIT_EVERY = 25
"""Moves; a deposit of this size covers the bets until the next one."""

ANSWER_SECONDS = 10.0
PATIENCE = 120.0
"""Seconds after which a player who gets no answer gives up, and the test has failed."""


@dataclass
class Acknowledged:
    """What players were told has happened: request ids of deposits, and of rounds their id, bet and win."""

    deposits: dict[str, str] = field(default_factory=dict)
    rounds: dict[str, Round] = field(default_factory=dict)
    repeated: int = 0
    """Requests that had to be sent more than once."""


@dataclass(frozen=True, slots=True)
class Round:
    """An answered round; money in minor units."""

    player_id: str
    bet: int
    win: int


class GivenUp(Exception):
    """A request that was never answered, or refused for a reason that has nothing to do with what was killed."""


class Player:
    """One player, who bets at a steady pace and fills the wallet now and then."""

    def __init__(self, http: aiohttp.ClientSession, gateway: str, told: Acknowledged) -> None:
        self._http = http
        self._url = f"{gateway}/api/v1"
        self._told = told
        self._headers: dict[str, str] = {}
        self.player_id = ""

    async def join(self) -> None:
        """Register and sign in."""
        account = {"email": f"{secrets.token_hex(8)}@players.example", "password": secrets.token_hex(16)}
        await self._insist("users", account | {"display_name": "Chaos"})
        session = await self._insist("sessions", account)
        self._headers = {"Authorization": f"Bearer {session['token']}"}
        self.player_id = session["player_id"]

    async def play(self, ended: asyncio.Event, seconds: float) -> None:
        """Play until `ended`, at most one move in so many seconds. The last move is finished."""
        moves = 0
        while not ended.is_set():
            pace = asyncio.create_task(asyncio.sleep(seconds))
            try:
                await (self._deposit() if moves % DEPOSIT_EVERY == 0 else self._spin())
                await pace
            finally:
                pace.cancel()
            moves += 1

    async def _deposit(self) -> None:
        request_id = secrets.token_hex(12)
        await self._insist("deposits", {"request_id": request_id, "amount": DEPOSIT})
        self._told.deposits[request_id] = self.player_id

    async def _spin(self) -> None:
        played = await self._insist("spins", {"request_id": secrets.token_hex(12), "bet": BET})
        self._told.rounds[played["round_id"]] = Round(self.player_id, played["bet"], played["win"])

    async def _insist(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request, however often it has to be sent. Raises GivenUp."""
        answer = "no answer"
        try:
            async with asyncio.timeout(PATIENCE):
                for attempt in range(1_000_000):
                    if attempt:
                        self._told.repeated += attempt == 1
                        await asyncio.sleep(min(0.1 * attempt, 1.0))
                    try:
                        status, found = await self._post(path, body)
                    except (aiohttp.ClientError, TimeoutError) as error:
                        answer = repr(error)
                        continue
                    if status in (200, 201):
                        return found
                    answer = f"{status} {found}"
                    if path == "users" and status == 409:  # it had been carried out, and only the answer was lost
                        return found
                    if status < 500 and status not in (409, 429):
                        break
        except TimeoutError:
            pass
        raise GivenUp(f"{path}: {answer}")

    async def _post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS)
        async with self._http.post(f"{self._url}/{path}", json=body, headers=self._headers, timeout=timeout) as answer:
            return answer.status, await answer.json(content_type=None)
