"""The back office over HTTP, with the real services behind: who may see and decide what, and what is written down."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from reelback_common.staff.roles import ROLES, May, granted
from reelback_telemetry import security

from tests.unit import services
from tests.unit.gateway.conftest import Gateway
from tests.unit.gateway.test_money import Client

LARGE = 500_000
"""A withdrawal that waits for a decision."""


class Office:
    """Members of staff by their roles, and a player of whom they decide."""

    def __init__(self, gateway: Gateway, player: Client, player_id: str) -> None:
        self.gateway = gateway
        self.player = player
        self.player_id = player_id

    async def get(self, role: str, path: str) -> Any:
        headers = await self.gateway.staff(role)
        return await self.gateway.http.get(f"/api/v1/admin/{path}", headers=headers)

    async def post(self, role: str, path: str, **body: Any) -> Any:
        headers = await self.gateway.staff(role)
        return await self.gateway.http.post(f"/api/v1/admin/{path}", headers=headers, json=body)

    async def items(self, role: str, path: str) -> list[dict[str, Any]]:
        answer = await self.get(role, path)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()["items"]
        return found

    async def withdrawal(self, request_id: str = "w") -> None:
        """The player, verified, has money and asks for much of it."""
        if (await self.player.get("profile")).json()["kyc"] != "verified":
            await self.player.verify()
        await self.player.send("POST", "deposits", request_id=f"d-{request_id}", amount=2 * LARGE)
        answer = await self.player.send("POST", "withdrawals", request_id=request_id, amount=LARGE)
        assert answer.status_code == 201, answer.text

    async def decide(self, role: str, decision: str, request_id: str = "w") -> Any:
        path = f"players/{self.player_id}/transfers/{request_id}/decision"
        return await self.post(role, path, decision=decision)


@pytest.fixture
async def office(gateway: Gateway) -> Office:
    player = Client(gateway, await gateway.player(name="<b>Ada</b>"))
    return Office(gateway, player, await player.player_id())


async def test_a_withdrawal_is_found_decided_on_and_written_down(office: Office) -> None:
    await office.withdrawal()
    (waiting,) = await office.items("viewer", "withdrawals")
    assert (waiting["player"]["display_name"], waiting["entry"]["amount"], waiting["state"]) == (
        "<b>Ada</b>",
        -LARGE,
        "pending",
    )
    answer = await office.decide("finance", "settled")
    assert (answer.status_code, answer.json()["state"]) == (200, "settled")
    assert answer.json()["decided_by"]["display_name"] == "finance"
    assert await office.items("viewer", "withdrawals") == []
    assert (await office.player.get("transfers/w")).json()["state"] == "settled"
    settled, verified = await office.items("viewer", "decisions")
    assert (settled["action"], settled["outcome"], settled["by"]["display_name"], settled["request_id"]) == (
        "withdrawal settled",
        "done",
        "finance",
        "w",
    )
    assert (verified["action"], verified["outcome"]) == ("kyc verified", "done")
    assert verified["by"]["display_name"] == "support"
    (entry, *_) = (await office.get("viewer", f"players/{office.player_id}/entries")).json()["items"]
    assert (entry["kind"], entry["decided_by"]["display_name"]) == ("settlement", "finance")


async def test_who_decides_second_is_told_who_was_first(office: Office) -> None:
    await office.withdrawal()
    first = (await office.decide("finance", "rejected")).json()
    again = await office.decide("finance", "rejected")
    assert (again.status_code, again.json()) == (200, first)
    other = await office.decide("finance", "settled")
    problem = other.json()
    assert (other.status_code, problem["code"], problem["state"]) == (409, "decided-before", "rejected")
    assert problem["decided_by"]["display_name"] == "finance"
    assert problem["decided_at"] == first["decided_at"].replace("Z", "+00:00")
    outcomes = [(it["action"], it["outcome"]) for it in await office.items("viewer", "decisions")][:3]
    assert outcomes == [
        ("withdrawal settled", "refused"),
        ("withdrawal rejected", "before"),
        ("withdrawal rejected", "done"),
    ]
    assert (await office.player.get("wallet")).json()["balance"] == 2 * LARGE


async def test_of_decisions_at_once_one_holds(office: Office) -> None:
    await office.withdrawal()
    await office.gateway.staff("finance")
    answers = await asyncio.gather(*(office.decide("finance", it) for it in ["settled", "rejected"] * 4))
    states = {answer.json()["state"] for answer in answers}
    assert len(states) == 1
    assert {answer.status_code for answer in answers} == {200, 409}
    log = await office.items("viewer", "decisions")
    # Who asks for the same several times at once has done it, whichever of them it was.
    assert {it["action"] for it in log if it["outcome"] == "done"} == {f"withdrawal {states.pop()}", "kyc verified"}
    assert len(log) == 9


async def test_documents_are_decided_on_by_support(office: Office) -> None:
    await office.player.send("POST", "kyc")
    (waiting,) = await office.items("viewer", "kyc")
    assert (waiting["player_id"], waiting["kyc"]) == (office.player_id, "pending")
    path = f"players/{office.player_id}/kyc"
    decided = (await office.post("support", path, decision="refused")).json()
    assert (decided["kyc"], decided["kyc_decided_by"]["display_name"]) == ("refused", "support")
    assert (await office.post("support", path, decision="refused")).json() == decided
    other = await office.post("support", path, decision="verified")
    assert (other.status_code, other.json()["code"], other.json()["state"]) == (409, "decided-before", "refused")
    assert await office.items("viewer", "kyc") == []
    await office.player.send("POST", "kyc")
    assert len(await office.items("viewer", "kyc")) == 1
    assert (await office.post("support", path, decision="verified")).json()["kyc"] == "verified"


ROUTES = ("me", "players", "kyc", "withdrawals", "alerts", "report", "decisions", "live")


@pytest.mark.parametrize("role", ["", *ROLES])
async def test_each_role_may_what_the_table_says(office: Office, role: str) -> None:
    may = granted([role])
    await office.withdrawal()
    headers = await office.gateway.staff(role) if role else office.player.headers
    http, prefix = office.gateway.http, "/api/v1/admin"
    before = security.EVENTS.labels("permission")._value.get()
    denied = 0

    async def expect(what: May, method: str, path: str, **body: str) -> None:
        nonlocal denied
        answer = await http.request(method, f"{prefix}/{path}", headers=headers, json=body or None)
        if what in may:
            assert answer.status_code in (200, 409), (path, answer.text)
        else:
            assert (answer.status_code, answer.json()["code"]) == (403, "permission-denied"), path
            denied += 1

    one = f"players/{office.player_id}"
    for path in (*ROUTES, one, f"{one}/account", f"{one}/entries"):
        await expect(May.SEE, "GET", path)
    await expect(May.CONTACT, "POST", "players/search", text="ada@example.com")
    await expect(May.DECIDE_KYC, "POST", f"{one}/kyc", decision="verified")
    await expect(May.DECIDE_MONEY, "POST", f"{one}/transfers/w/decision", decision="settled")
    assert security.EVENTS.labels("permission")._value.get() == before + denied


async def test_without_a_session_there_is_no_back_office(office: Office) -> None:
    for route in ROUTES:
        assert (await office.gateway.http.get(f"/api/v1/admin/{route}")).status_code == 401


async def test_nobody_decides_on_himself(office: Office) -> None:
    finance = Client(office.gateway, await office.gateway.staff("finance"))
    support = Client(office.gateway, await office.gateway.staff("support"))
    await support.send("POST", "kyc")
    own = await support.send("POST", f"admin/players/{await support.player_id()}/kyc", decision="verified")
    assert (own.status_code, own.json()["detail"]) == (403, "nobody decides on his own documents")
    await finance.verify()
    await finance.send("POST", "deposits", request_id="d", amount=LARGE)
    await finance.send("POST", "withdrawals", request_id="w", amount=LARGE)
    path = f"admin/players/{await finance.player_id()}/transfers/w/decision"
    answer = await finance.send("POST", path, decision="settled")
    assert (answer.status_code, answer.json()["detail"]) == (403, "nobody decides on his own money")


async def test_a_role_that_is_taken_away_is_gone_with_the_next_request(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await office.get("viewer", "players")).status_code == 200
    monkeypatch.setitem(services.STAFF_LISTS, "viewer", ())
    assert (await office.get("viewer", "players")).status_code == 403


async def test_an_address_is_masked_where_the_role_says_so_and_is_nowhere_else(
    office: Office, spans: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    email = (await office.player.get("profile")).json()["email"]
    for role, shown in (("viewer", f"{email[0]}…@….com"), ("support", email), ("finance", email)):
        for page in ("players", f"players/{office.player_id}"):
            body = (await office.get(role, page)).json()
            found = body if "email" in body else next(it for it in body["items"] if it["player_id"] == office.player_id)
            assert found["email"] == shown
    (found,) = (await office.post("support", "players/search", text=f" {email.upper()} ")).json()["items"]
    assert found["player_id"] == office.player_id
    await office.withdrawal()
    await office.decide("finance", "settled")
    told = "".join(span.to_json() for span in spans.get_finished_spans()) + caplog.text
    assert email.partition("@")[0] not in told
    assert "<b>Ada</b>" not in told


async def test_players_are_found_by_id_address_and_name(office: Office) -> None:
    for name in ("Bob", "bobby", "Alice"):
        await office.gateway.player(name=name)

    async def found(text: str) -> list[str]:
        answer = await office.post("support", "players/search", text=text)
        assert answer.status_code == 200, answer.text
        return [it["display_name"] for it in answer.json()["items"]]

    assert await found("BOB") == ["bobby", "Bob"]
    assert await found(office.player_id) == ["<b>Ada</b>"]
    assert await found("<b>") == ["<b>Ada</b>"]
    assert await found("a.*") == []
    assert await found("nobody") == []
    assert await found("nobody@example.com") == []
    bad = await office.post("support", "players/search", text="no@address")
    assert (bad.status_code, bad.json()["detail"]) == (422, "email: must be an address like name@example.com")


async def test_lists_have_pages(office: Office) -> None:
    names = [f"P{number}" for number in range(7)]
    for name in names:
        await office.gateway.player(name=name)
    await office.gateway.staff("viewer")
    seen: list[str] = []
    cursor = ""
    while True:
        page = (await office.get("viewer", f"players?limit=3&cursor={cursor}")).json()
        seen += [it["display_name"] for it in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == ["viewer", *reversed(names), "<b>Ada</b>"]

    for number in range(5):
        await office.withdrawal(f"w{number}")
    first = (await office.get("viewer", "withdrawals?limit=3")).json()
    second = (await office.get("viewer", f"withdrawals?limit=3&cursor={first['next']}")).json()
    ids = [it["entry"]["request_id"] for it in (*first["items"], *second["items"])]
    assert (ids, second["next"]) == ([f"w{number}" for number in range(5)], None)

    path = f"players/{office.player_id}/entries"
    first = (await office.get("viewer", f"{path}?limit=6")).json()
    second = (await office.get("viewer", f"{path}?limit=6&cursor={first['next']}")).json()
    assert [it["sequence"] for it in (*first["items"], *second["items"])] == [*range(10, 0, -1)]
    assert second["next"] is None

    for number in range(5):
        await office.decide("finance", "settled", f"w{number}")
    first = (await office.get("viewer", "decisions?limit=4")).json()
    second = (await office.get("viewer", f"decisions?limit=4&cursor={first['next']}")).json()
    actions = [(it["action"], it["request_id"]) for it in (*first["items"], *second["items"])]
    assert actions == [*[("withdrawal settled", f"w{number}") for number in range(4, -1, -1)], ("kyc verified", "")]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "players?cursor=x", None),
        ("GET", "players?limit=101", None),
        ("GET", "decisions?cursor=1", None),
        ("GET", "report?hours=721", None),
        ("GET", "players/p/entries?cursor=-1", None),
        ("POST", "players/search", {"text": ""}),
        ("POST", "players/search", {"text": "x", "more": 1}),
        ("POST", "players/p/kyc", {"decision": "perhaps"}),
        ("POST", "players/p/transfers/w/decision", {"decision": "settled", "amount": 1}),
    ],
)
async def test_bad_requests_name_the_field(office: Office, method: str, path: str, body: Any) -> None:
    role = "finance" if "transfers" in path else "support"
    headers = await office.gateway.staff(role)
    answer = await office.gateway.http.request(method, f"/api/v1/admin/{path}", headers=headers, json=body)
    assert answer.status_code == 422, answer.text
    assert ": " in answer.json()["detail"]


async def test_what_nobody_knows_is_not_found(office: Office) -> None:
    assert (await office.get("viewer", "players/nobody")).status_code == 404
    assert (await office.post("support", "players/nobody/kyc", decision="verified")).status_code == 404
    assert (await office.post("finance", "players/nobody/transfers/w/decision", decision="settled")).status_code == 404


async def test_the_report_and_what_goes_on(office: Office) -> None:
    await office.withdrawal()
    report = (await office.get("viewer", "report?hours=24")).json()
    assert (report["games"], report["payment_success_rate"], report["payments"]) == ([], None, 0)
    live = (await office.get("viewer", "live")).json()
    assert (live["withdrawals_waiting"], live["kyc_waiting"], live["alerts"]) == (1, 0, [])
    assert [it["action"] for it in live["decisions"]] == ["kyc verified"]
