"""Money in and out, limits, documents and messages over HTTP, with the whole platform behind."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from tests.unit.common.waiting import until
from tests.unit.gateway.conftest import Gateway, platform
from tests.unit.gateway.test_api import API, PREFERENCES, finished


class Client:
    """A player who is signed in."""

    def __init__(self, gateway: Gateway, headers: dict[str, str]) -> None:
        self.gateway = gateway
        self.headers = headers

    async def get(self, path: str) -> Any:
        return await self.gateway.http.get(f"{API}/{path}", headers=self.headers)

    async def send(self, method: str, path: str, **body: Any) -> Any:
        return await self.gateway.http.request(method, f"{API}/{path}", headers=self.headers, json=body)

    async def player_id(self) -> str:
        return str((await self.get("profile")).json()["player_id"])

    async def verify(self) -> None:
        """What the back office does."""
        assert (await self.gateway.http.post(f"{API}/kyc", headers=self.headers)).status_code == 202
        path = f"{API}/admin/players/{await self.player_id()}/kyc"
        headers = await self.gateway.staff("support")
        answer = await self.gateway.http.post(path, headers=headers, json={"decision": "verified"})
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def player(gateway: Gateway) -> Client:
    return Client(gateway, await gateway.player())


async def test_a_small_withdrawal_is_settled_at_once(player: Client) -> None:
    await player.verify()
    await player.send("POST", "deposits", request_id="d", amount=5000)
    answer = await player.send("POST", "withdrawals", request_id="w", amount=2000)
    entry = answer.json()
    assert (answer.status_code, entry["kind"], entry["amount"], entry["balance_after"]) == (
        201,
        "withdrawal",
        -2000,
        3000,
    )
    assert (await player.send("POST", "withdrawals", request_id="w", amount=2000)).json() == entry
    assert (await player.get("transfers/w")).json() == {"state": "settled", "entry": entry}
    assert (await player.get("transfers/d")).json()["state"] == "settled"
    assert (await player.get("wallet")).json()["balance"] == 3000
    kinds = [entry["kind"] for entry in (await player.get("wallet/entries")).json()]
    assert kinds == ["settlement", "withdrawal", "deposit"]


async def test_a_large_withdrawal_waits_for_a_decision_that_players_cannot_take(player: Client) -> None:
    await player.verify()
    await player.send("POST", "deposits", request_id="d", amount=1_000_000)
    await player.send("POST", "withdrawals", request_id="w", amount=500_000)
    assert (await player.get("transfers/w")).json()["state"] == "pending"
    decide = f"admin/players/{await player.player_id()}/transfers/w/decision"
    assert (await player.send("POST", decide, decision="settled")).status_code == 403
    finance = Client(player.gateway, await player.gateway.staff("finance"))
    assert (await finance.send("POST", decide, decision="rejected")).status_code == 200
    assert (await player.get("transfers/w")).json()["state"] == "rejected"
    assert (await player.get("wallet")).json()["balance"] == 1_000_000
    kinds = [entry["kind"] for entry in (await player.get("wallet/entries")).json()]
    assert kinds == ["reversal", "withdrawal", "deposit"]


@pytest.mark.parametrize("route", ["deposits", "withdrawals"])
async def test_another_amount_under_the_same_request_id(
    player: Client, spans: InMemorySpanExporter, route: str
) -> None:
    await player.verify()
    await player.send("POST", "deposits", request_id="first", amount=5000)
    await player.send("POST", route, request_id="x", amount=500)
    before = (await player.get("wallet/entries")).json()
    answer = await player.send("POST", route, request_id="x", amount=501)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (409, "already-exists")
    assert problem["detail"].startswith("request_id: ")
    await until(finished(spans, problem["trace_id"], SpanKind.SERVER, 1))
    assert (await player.get("wallet/entries")).json() == before


async def test_limits_hold(player: Client) -> None:
    limits = {"deposit_per_day": 1000, "bet": 50}
    assert (await player.send("PUT", "limits", **limits)).json() == limits | {"raised": None}
    higher = (await player.send("PUT", "limits", deposit_per_day=1000, bet=60)).json()
    assert (higher["bet"], higher["raised"]["bet"]) == (50, 60)
    assert datetime.fromisoformat(higher["raised"]["holds_from"]) > datetime.now(UTC) + timedelta(hours=23)
    assert (await player.send("PUT", "limits", **limits)).json() == limits | {"raised": None}
    assert (await player.get("limits")).json() == limits | {"raised": None}
    assert (await player.send("POST", "deposits", request_id="d1", amount=900)).status_code == 201
    over = await player.send("POST", "deposits", request_id="d2", amount=101)
    assert (over.status_code, over.json()["code"]) == (409, "failed-precondition")
    assert (await player.send("POST", "spins", request_id="s1", bet=50)).status_code == 201
    high = await player.send("POST", "spins", request_id="s2", bet=55)
    assert (high.status_code, high.json()["code"]) == (409, "failed-precondition")


async def test_documents_are_handed_in_once(player: Client) -> None:
    answer = await player.send("POST", "kyc")
    assert (answer.status_code, answer.json()["kyc"]) == (202, "pending")
    again = await player.send("POST", "kyc")
    assert (again.status_code, again.json()["detail"]) == (409, "kyc: no documents are needed while it is pending")
    assert (await player.get("profile")).json()["kyc"] == "pending"


async def test_players_choose_what_they_hear(player: Client) -> None:
    assert (await player.get("preferences")).json() == PREFERENCES
    chosen = {**PREFERENCES, "sms": True, "marketing": True, "phone": "+4930123456"}
    assert (await player.send("PUT", "preferences", **chosen)).json() == chosen
    assert (await player.get("preferences")).json() == chosen
    assert (await player.get("messages?limit=5")).json() == []


async def test_without_notification_all_else_works(mongodb_url: str, redis_url: str) -> None:
    async with platform(mongodb_url, redis_url, notification=False) as gateway:
        player = Client(gateway, await gateway.player())
        for answer in (
            await player.get("preferences"),
            await player.send("PUT", "preferences", **PREFERENCES),
            await player.get("messages"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
            assert len(answer.json()["trace_id"]) == 32
            assert answer.headers["retry-after"] == "1"
        assert (await player.send("POST", "deposits", request_id="d", amount=500)).status_code == 201
        assert (await player.send("POST", "spins", request_id="s", bet=5)).status_code == 201
