"""The routes, with the whole platform behind them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from reelback_common import faults
from reelback_common.debug_endpoints import ENDPOINTS

from tests.unit.common.waiting import until
from tests.unit.gateway.conftest import ORIGIN, SECRET, Gateway

API = "/api/v1"
OPERATIONS = {"spin", "charge", "payout"}
ACCOUNT = {"email": "Ada@Example.com", "password": "correct horse"}


async def test_from_registration_to_sign_out(gateway: Gateway) -> None:
    http = gateway.http
    registered = await http.post(f"{API}/users", json=PLAYER)
    assert registered.status_code == 201
    profile = registered.json()
    assert (profile["email"], profile["kyc"]) == ("ada@example.com", "none")

    session = (await http.post(f"{API}/sessions", json=ACCOUNT)).json()
    headers = {"Authorization": f"Bearer {session['token']}"}
    assert datetime.fromisoformat(session["expires_at"]) > datetime.now(UTC)
    assert (await http.get(f"{API}/profile", headers=headers)).json() == profile

    deposit = await http.post(f"{API}/deposits", json={"request_id": "d-1", "amount": 5000}, headers=headers)
    assert (deposit.status_code, deposit.json()["balance_after"], deposit.json()["kind"]) == (201, 5000, "deposit")
    spin = await http.post(f"{API}/spins", json={"request_id": "s-1", "bet": 100}, headers=headers)
    played = spin.json()
    assert spin.status_code == 201
    assert [len(row) for row in played["window"]] == [5, 5, 5]
    assert played["balance_after"] == 5000 - 100 + played["win"]
    again = await http.post(f"{API}/spins", json={"request_id": "s-1", "bet": 100}, headers=headers)
    assert again.json() == played
    assert (await http.get(f"{API}/spins?limit=1", headers=headers)).json() == [played]
    wallet = {"balance": played["balance_after"], "currency": "EUR"}
    assert (await http.get(f"{API}/wallet", headers=headers)).json() == wallet
    entries = (await http.get(f"{API}/wallet/entries", headers=headers)).json()
    assert entries[-1] == deposit.json()
    assert entries[-2]["amount"] == -100
    assert entries[-2]["reference"] == played["round_id"]
    assert len((await http.get(f"{API}/wallet/entries?limit=1", headers=headers)).json()) == 1

    assert (await http.delete(f"{API}/sessions", headers=headers)).status_code == 204
    over = await http.get(f"{API}/wallet", headers=headers)
    assert (over.status_code, over.json()["detail"]) == (401, "the session has ended, sign in again")


async def test_the_paytable_needs_no_sign_in(gateway: Gateway) -> None:
    paytable = (await gateway.http.get(f"{API}/paytable")).json()
    assert len(paytable["lines"]) == 5
    assert 0.94 < paytable["theoretical_rtp"] < 0.97
    assert (paytable["game"], round(paytable["variance"], 2)) == ("classic", 11.44)


@dataclass(frozen=True)
class Bad:
    """A request that is refused, and how."""

    method: str
    path: str
    status: int
    detail: str
    json: Any = None
    content: bytes | None = None


PLAYER = {**ACCOUNT, "display_name": "Ada"}
DEPOSIT = {"request_id": "d", "amount": 5}
PREFERENCES = {"email": True, "sms": False, "push": False, "marketing": False, "phone": ""}
LONE_SURROGATE = rb'{"email": "ada@example.com", "password": "correct horse", "display_name": "\ud800"}'


def finished(spans: InMemorySpanExporter, trace_id: str, kind: SpanKind, count: int) -> Callable[[], Awaitable[bool]]:
    """Whether so many spans of a trace have ended: the gateway's own ends after its answer."""

    async def look() -> bool:
        ended = [span for span in spans.get_finished_spans() if f"{span.context.trace_id:032x}" == trace_id]
        return len([span for span in ended if span.kind is kind]) >= count

    return look


@pytest.mark.parametrize(
    "bad",
    [
        Bad("GET", "/nowhere", 404, "Not Found"),
        Bad("GET", f"{API}/nowhere", 404, "Not Found"),
        Bad("PUT", f"{API}/wallet", 405, "Method Not Allowed"),
        Bad("POST", f"{API}/deposits", 422, "amount: Field required", json={"request_id": "d"}),
        *(
            Bad("POST", f"{API}/{route}", 422, f"{field}: ", json={**body, field: amount})
            for route, field, body in (
                ("deposits", "amount", DEPOSIT),
                ("withdrawals", "amount", DEPOSIT),
                ("spins", "bet", {"request_id": "s", "bet": 5}),
            )
            for amount in (0, -5, 10.5, 10.0, True, "5", None, 2**70)
        ),
        Bad("POST", f"{API}/deposits", 422, "amount: must be from 1 to", json={**DEPOSIT, "amount": 2**40}),
        Bad("POST", f"{API}/deposits", 409, "limit", json={**DEPOSIT, "amount": 20_000_000}),
        Bad("POST", f"{API}/withdrawals", 409, "verified", json=DEPOSIT),
        Bad("GET", f"{API}/transfers/no%2Fid", 404, "Not Found"),
        Bad("GET", f"{API}/transfers/f:bet", 422, "request_id: "),
        Bad("GET", f"{API}/transfers/unknown", 404, "request_id: "),
        Bad("PUT", f"{API}/limits", 422, "bet: Field required", json={"deposit_per_day": 5}),
        Bad("PUT", f"{API}/limits", 422, "bet: ", json={"deposit_per_day": 5, "bet": 0.5}),
        Bad("PUT", f"{API}/limits", 422, "deposit_per_day: must be", json={"deposit_per_day": 2**40, "bet": 5}),
        Bad("PUT", f"{API}/preferences", 422, "email: ", json={**PREFERENCES, "email": 1}),
        Bad("PUT", f"{API}/preferences", 422, "phone: must be", json={**PREFERENCES, "phone": "1"}),
        Bad("PUT", f"{API}/preferences", 422, "phone: is needed", json={**PREFERENCES, "sms": True}),
        Bad("GET", f"{API}/messages?limit=0", 422, "limit: "),
        Bad("POST", f"{API}/deposits", 422, "amount: ", content=b'{"request_id": "d", "amount": NaN}'),
        Bad("POST", f"{API}/deposits", 422, "request_id: ", json={**DEPOSIT, "request_id": ""}),
        Bad("POST", f"{API}/deposits", 422, "request_id: ", json={**DEPOSIT, "request_id": "f:bet"}),
        Bad("POST", f"{API}/deposits", 422, "currency: ", json={**DEPOSIT, "currency": "EUR"}),
        Bad("POST", f"{API}/deposits", 422, "1: JSON decode error", content=b"{"),
        Bad("POST", f"{API}/deposits", 422, "body: ", json=[1]),
        Bad("POST", f"{API}/deposits", 413, "a body has at most 16384 bytes", content=b"x" * 20_000),
        Bad("POST", f"{API}/spins", 422, "bet: must be a multiple of 5", json={"request_id": "s", "bet": 12}),
        Bad("POST", f"{API}/spins", 409, "the balance of 0 does not cover 5", json={"request_id": "s", "bet": 5}),
        Bad("GET", f"{API}/spins?limit=0", 422, "limit: "),
        Bad("GET", f"{API}/wallet/entries?limit=501", 422, "limit: "),
        Bad("GET", f"{API}/wallet/entries?limit=x", 422, "limit: "),
        Bad("POST", f"{API}/users", 422, "email: must be an address", json={**PLAYER, "email": "x"}),
        Bad("POST", f"{API}/users", 422, "password: must have 8", json={**PLAYER, "password": "x"}),
        Bad("POST", f"{API}/users", 422, "display_name: must have 1", json={**PLAYER, "display_name": " "}),
        Bad("POST", f"{API}/users", 422, "display_name: ", content=LONE_SURROGATE),
        Bad("POST", f"{API}/sessions", 401, "email or password is wrong", json={**ACCOUNT, "email": "eve@example.com"}),
    ],
    ids=lambda bad: f"{bad.method} {bad.path} {bad.detail} {bad.json}",
)
async def test_every_error_is_a_problem(gateway: Gateway, spans: InMemorySpanExporter, bad: Bad) -> None:
    headers = await gateway.player() | {"Content-Type": "application/json"}
    answer = await gateway.http.request(bad.method, bad.path, headers=headers, json=bad.json, content=bad.content)
    problem = answer.json()
    assert (answer.status_code, problem["status"]) == (bad.status, bad.status)
    assert bad.detail in problem["detail"]
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == "about:blank"
    await until(finished(spans, problem["trace_id"], SpanKind.SERVER, 1))


async def test_a_chunked_body_has_the_same_limit(gateway: Gateway) -> None:
    async def chunks() -> Any:
        for _ in range(20):
            yield b"x" * 1000

    headers = await gateway.player() | {"Content-Type": "application/json"}
    answer = await gateway.http.post(f"{API}/deposits", headers=headers, content=chunks())
    assert (answer.status_code, answer.json()["detail"]) == (413, "a body has at most 16384 bytes")


async def test_what_was_sent_is_not_sent_back(gateway: Gateway) -> None:
    body = {"email": "ada@example.com", "password": ["hunter2hunter2"], "display_name": "Ada"}
    answer = await gateway.http.post(f"{API}/users", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "password"
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "token",
    [
        "",
        "nonsense",
        jwt.encode({"sub": "p", "sid": "s", "exp": 1}, SECRET, "HS256"),
        jwt.encode({"sub": "p", "exp": 2**40}, SECRET, "HS256"),
        jwt.encode({"sub": "p", "sid": "s", "exp": 2**40}, SECRET[::-1], "HS256"),
        jwt.encode({"sub": "p", "sid": "s", "exp": 2**40}, None, "none"),
        jwt.encode({"sub": "p", "sid": "s", "exp": 2**40}, SECRET, "HS256"),  # signed, of no session
    ],
)
async def test_tokens_that_open_nothing(gateway: Gateway, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    answer = await gateway.http.get(f"{API}/profile", headers=headers)
    assert answer.status_code == 401
    assert answer.json()["code"] == "unauthenticated"


async def test_a_session_does_not_outlive_its_token(gateway: Gateway) -> None:
    headers = await gateway.player()
    claims = jwt.decode(headers["Authorization"].split()[1], options={"verify_signature": False})
    past = datetime.now(UTC) - timedelta(seconds=1)
    late = jwt.encode({**claims, "exp": past}, SECRET, "HS256")
    answer = await gateway.http.get(f"{API}/profile", headers={"Authorization": f"Bearer {late}"})
    assert answer.status_code == 401


async def test_another_bet_under_the_same_request_id(gateway: Gateway) -> None:
    headers = await gateway.player()
    await gateway.http.post(f"{API}/deposits", json={"request_id": "d", "amount": 500}, headers=headers)
    await gateway.http.post(f"{API}/spins", json={"request_id": "s", "bet": 5}, headers=headers)
    answer = await gateway.http.post(f"{API}/spins", json={"request_id": "s", "bet": 10}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "already-exists")


@pytest.mark.usefixtures("no_faults")
async def test_a_charge_that_fails_is_a_problem_without_its_inside(gateway: Gateway) -> None:
    headers = await gateway.player()
    await gateway.http.post(f"{API}/deposits", json={"request_id": "d", "amount": 500}, headers=headers)
    faults.configure({"payment.charge.error_rate": 1})
    answer = await gateway.http.post(f"{API}/spins", json={"request_id": "s", "bet": 5}, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (500, "unknown")
    assert "InjectedFault" not in answer.text
    faults.configure({})
    answer = await gateway.http.post(f"{API}/spins", json={"request_id": "s", "bet": 5}, headers=headers)
    assert answer.status_code == 201


async def test_a_spin_is_one_trace(gateway: Gateway, spans: InMemorySpanExporter) -> None:
    headers = await gateway.player()
    await gateway.http.post(f"{API}/deposits", json={"request_id": "d", "amount": 500}, headers=headers)
    spans.clear()
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    answer = await gateway.http.post(
        f"{API}/spins",
        json={"request_id": "s", "bet": 5},
        headers={**headers, "traceparent": f"00-{trace_id}-b7ad6b7169203331-01"},
    )
    assert answer.status_code == 201
    services = 5 if answer.json()["win"] else 4
    await until(finished(spans, trace_id, SpanKind.SERVER, services))
    ended = {span.context.span_id: span for span in spans.get_finished_spans()}
    assert {f"{span.context.trace_id:032x}" for span in ended.values()} == {trace_id}
    segments = {span.name: span for span in ended.values() if span.kind is SpanKind.SERVER}
    above = {}
    for name, span in segments.items():
        assert span.parent
        call = ended.get(span.parent.span_id)  # of the caller
        above[name] = ended[call.parent.span_id].name if call and call.parent else None
    expected = {
        f"POST {API}/spins": None,
        "reelback.v1.User/CheckSession": f"POST {API}/spins",
        "reelback.v1.Game/Spin": f"POST {API}/spins",
        "reelback.v1.Payment/Charge": "spin",
    }
    if answer.json()["win"]:
        expected["reelback.v1.Payment/Payout"] = "spin"
    assert above == expected
    operations = {s.name: ended[s.parent.span_id].name for s in ended.values() if s.name in OPERATIONS and s.parent}
    assert operations.items() >= {"spin": "reelback.v1.Game/Spin", "charge": "reelback.v1.Payment/Charge"}.items()
    told = {name: dict(span.attributes or {}) for name, span in segments.items()}
    assert told["reelback.v1.Game/Spin"].items() >= {"game": "classic", "feature": "spin"}.items()
    assert told["reelback.v1.Payment/Charge"]["balance.class"] == "low"
    assert told[f"POST {API}/spins"]["authenticated"] == "true"


async def test_a_failure_of_the_gateway_itself_is_a_problem_too(gateway: Gateway) -> None:
    async def broken() -> None:
        raise RuntimeError("private")

    gateway.app.add_api_route("/broken", broken)
    answer = await gateway.http.get("/broken")
    assert (answer.status_code, answer.json()["status"]) == (500, 500)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "private" not in answer.text


async def test_browsers_of_named_origins_may_send_their_trace(gateway: Gateway) -> None:
    asked = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,baggage,content-type,sentry-trace,traceparent",
    }
    allowed = await gateway.http.options(f"{API}/spins", headers={"Origin": ORIGIN, **asked})
    assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    refused = await gateway.http.options(f"{API}/spins", headers={"Origin": "https://evil.example", **asked})
    assert "access-control-allow-origin" not in refused.headers


async def test_the_documentation_needs_no_other_server(gateway: Gateway) -> None:
    page = await gateway.http.get("/docs/")
    assert "openapi.json" in page.text
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "<style" not in page.text
    files = [page, *[await gateway.http.get(f"/docs/{name}") for name in ("docs.css", "docs.js")]]
    for file in files:
        assert file.status_code == 200
        assert "http://" not in file.text
        assert "https://" not in file.text
    api = (await gateway.http.get("/openapi.json")).json()
    assert set(api["paths"]) == {
        f"{API}/{path}"
        for path in (
            *(
                "users",
                "sessions",
                "profile",
                "profile/email",
                "profile/email/code",
                "kyc",
                "deposits",
                "withdrawals",
                "transfers/{request_id}",
                "limits",
            ),
            *("wallet", "wallet/entries", "spins", "leaderboard", "paytable", "preferences", "messages"),
            *(f"admin/{name}" for name in ("me", "kyc", "withdrawals", "alerts", "report", "live", "decisions")),
            *(f"admin/players{rest}" for rest in ("", "/search", "/{player_id}")),
            *(f"admin/players/{{player_id}}/{name}" for name in ("kyc", "account", "entries")),
            "admin/players/{player_id}/transfers/{request_id}/decision",
            "debug",
            *(endpoint.path.lstrip("/") for endpoint in ENDPOINTS.values()),
        )
    }
    for methods in api["paths"].values():
        for operation in methods.values():
            assert operation["description"]
            assert operation["tags"]
