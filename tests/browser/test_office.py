"""The back office as members of staff have it: its pages in a browser, on the whole stack."""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from reelback_common.chromium import Chromium, Page

from tests.local.stack import ROOT, Player, Stack, until

pytestmark = pytest.mark.timeout(300)  # the first of them waits for the stack, too

NAME = "<b>Ada</b>"
LARGE = 150_000
"""A withdrawal that waits for a decision."""

PAGES = ("live", "players", "kyc", "withdrawals", "alerts", "report", "decisions")
SCREENSHOTS = ROOT / ".reelback" / "screenshots"
AXE = ROOT / "services" / "admin" / "node_modules" / "axe-core" / "axe.min.js"
MEGABYTE = 1_000_000


class Member(Player):
    """A member of staff, whose role the chart's values say."""

    def __init__(self, stack: Stack, role: str) -> None:
        super().__init__(stack, f"{role}@reelback.example", name=role.title())
        self.post("profile/email", code=until(lambda: stack.code(self.email), "the first mail"))
        self.sign_in()  # roles begin with a session


@pytest.fixture(scope="module")
def staff(stack: Stack) -> Iterator[dict[str, Member]]:
    it = {role: Member(stack, role) for role in ("viewer", "support", "finance")}
    yield it
    for member in it.values():
        member.close()


@pytest.fixture
def player(stack: Stack) -> Iterator[Player]:
    """A player whose address is verified, and whose documents wait."""
    it = Player(stack, name=NAME)
    it.post("profile/email", code=until(lambda: stack.code(it.email), "the first mail"))
    it.post("kyc")
    it.deposit(2 * LARGE)
    yield it
    it.close()


@pytest.fixture
def page(stack: Stack, browser: Chromium) -> Iterator[Page]:
    with browser.page() as it:
        it.open(f"{stack.url('admin')}/")
        yield it


def sign_in(page: Page, member: Player) -> None:
    if page.run("sessionStorage.length"):
        page.click("header button")
    page.fill("email", member.email)
    page.fill("password", member.password)
    page.click("form button")
    page.wait("header")


def go(page: Page, name: str, loaded: str = "main h1") -> None:
    page.run(f"location.hash = '#/{name}'")
    page.wait(loaded)
    until(lambda: "One moment" not in page.text("main"), f"{name} is loaded")


def press(page: Page, label: str, inside: str = "main") -> None:
    """Press the button with these words."""
    script = f"[...document.querySelectorAll('{inside} button')].find((it) => it.innerText.startsWith({label!r}))"
    until(lambda: page.run(f"!!{script}"), f"a button {label}: {page.text('main')}")
    page.run(f"{script}.click()")


def decide(page: Page, label: str) -> str:
    """Press it, say yes, and read what is said."""
    before = page.text("p.done")
    press(page, label)
    assert page.run("document.activeElement.innerText").startswith(f"Yes, {label.lower()}")
    press(page, "Yes")
    until(lambda: page.text("p.done") not in ("", before) or page.text(".choices .problem"), "it is decided")
    return page.text("p.done") or page.text(".choices .problem")


def withdraw(player: Player) -> str:
    request_id = secrets.token_hex(8)
    player.post("withdrawals", request_id=request_id, amount=LARGE)
    return request_id


def test_a_withdrawal_goes_from_request_over_approval_to_mail(
    stack: Stack, staff: dict[str, Member], player: Player, page: Page
) -> None:
    sign_in(page, staff["support"])
    go(page, "kyc", ".queue")
    assert NAME in page.text(".queue")
    assert decide(page, "Verify") == f"The documents of {NAME} are verified."
    assert page.run("document.activeElement.className") == "done"
    withdraw(player)

    sign_in(page, staff["finance"])
    go(page, "withdrawals", ".queue")
    assert "€1,500.00" in page.text(".queue")
    assert decide(page, "Approve") == f"€1,500.00 leave the house for {NAME}."
    until(lambda: "No withdrawal waits." in page.text("main"), "nothing waits")

    def told() -> list[str]:
        return [mail["subject"] for mail in stack.mails() if player.email in mail["to"]]

    until(lambda: "Your withdrawal has been paid out" in told(), "the mail about the withdrawal")
    go(page, "decisions", "tbody tr")
    assert page.text("tbody tr").split("\t")[1:5] == ["Finance", "Withdrawal approved", NAME, "done"]
    go(page, f"players/{player.player_id}", "tbody tr")
    assert page.text("h1") == NAME
    assert "Settlement" in page.text("tbody tr")


def test_who_decides_second_is_told_who_was_first(
    stack: Stack, staff: dict[str, Member], player: Player, page: Page
) -> None:
    staff["support"].post(f"admin/players/{player.player_id}/kyc", decision="verified")
    request_id = withdraw(player)
    sign_in(page, staff["finance"])
    go(page, "withdrawals", ".queue")
    path = f"admin/players/{player.player_id}/transfers/{request_id}/decision"
    staff["finance"].post(path, decision="rejected")
    said = decide(page, "Approve")
    assert said.startswith("Finance was first: it is rejected since ")
    assert said.endswith(".")


def test_each_role_sees_what_it_may_decide(staff: dict[str, Member], player: Player, page: Page) -> None:
    sign_in(page, staff["viewer"])
    go(page, "kyc", ".queue")
    assert "Documents are decided on by support." in page.text(".queue")
    assert page.run("document.querySelectorAll('.queue button').length") == 0
    go(page, f"players/{player.player_id}", "dl")
    assert player.email not in page.text("dl")
    sign_in(page, staff["support"])
    go(page, f"players/{player.player_id}", "dl")
    assert player.email in page.text("dl")


def test_players_without_a_role_are_let_no_further(player: Player, page: Page) -> None:
    page.fill("email", player.email)
    page.fill("password", player.password)
    page.click("form button")
    until(lambda: "no role in the back office" in page.text("main"), "it is said")
    press(page, "Sign out")
    page.wait("input[name=email]")
    page.fill("email", player.email)
    page.fill("password", "not the password")
    page.click("form button")
    until(lambda: page.text("form .problem") == "Email or password is wrong.", "it is said")


def test_a_gateway_that_is_away_is_a_sentence_and_nothing_is_lost(staff: dict[str, Member], page: Page) -> None:
    sign_in(page, staff["viewer"])
    page.offline(True)
    page.run("location.hash = '#/report'")
    page.wait(".away .problem")
    assert page.text(".away .problem") == "The platform does not answer. Check your connection and try again."
    page.offline(False)
    press(page, "Try again")
    page.wait(".figures")


def test_a_session_that_ends_leads_to_the_sign_in(stack: Stack, staff: dict[str, Member], page: Page) -> None:
    sign_in(page, staff["viewer"])
    token = page.run("JSON.parse(sessionStorage['reelback.admin.session']).token")
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx2.delete(f"{stack.url('gateway')}/api/v1/sessions", headers=headers).status_code == 204
    page.run("location.hash = '#/decisions'")
    page.wait("input[name=email]")
    assert "session has ended" in page.text(".notice")


def test_every_page_is_seen_in_two_themes_and_two_widths(
    stack: Stack, staff: dict[str, Member], player: Player, page: Page
) -> None:
    """Looks at each page as people do, for screenshots, and as axe does, for what keeps people out."""
    other = Player(stack, name="Grace Hopper-Featherstonehaugh of No")
    other.post("kyc")
    staff["support"].post(f"admin/players/{player.player_id}/kyc", decision="verified")
    for _ in range(12):
        other.deposit(500)
        assert player.spin()[0] == 201
    withdraw(player)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    found: list[str] = []

    def look(name: str, theme: str, width: int) -> None:
        shown = page.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        (SCREENSHOTS / f"admin-{name}-{theme}-{width}.png").write_bytes(base64.b64decode(shown["data"]))
        wide = page.run("document.documentElement.scrollWidth")
        found.extend([f"{name} {theme} {width}: {wide} wide"] if wide > width else [])
        found.extend(f"{name} {theme} {width}: {each}" for each in violations(page))

    for theme in ("light", "dark"):
        page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}])
        for width in (1280, 360):
            page.send("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
            if page.run("sessionStorage.length"):
                page.click("header button")
            page.wait("input[name=email]")
            look("sign-in", theme, width)
            sign_in(page, staff["finance"])
            for name in (*PAGES, f"players/{player.player_id}"):
                go(page, name)
                if name == "live":
                    page.wait(".chart svg")
                look("player" if "/" in name else name, theme, width)
            go(page, "withdrawals", ".queue")
            press(page, "Approve")
            look("withdrawals-sure", theme, width)
    other.close()
    assert found == []


def violations(page: Page) -> list[str]:
    """What axe finds; nothing where it is not installed."""
    if not AXE.exists():
        return []
    if not page.run("!!window.axe"):
        page.send("Runtime.evaluate", expression=AXE.read_text())
    script = "axe.run().then((it) => it.violations.map((v) => `${v.id}: ${v.nodes[0].html}`))"
    listed: list[str] = page.run(script)
    return listed


def rest(page: Page, seconds: float) -> None:
    """Let the page be, and read what it tells meanwhile: what is never read closes the connection."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        page.send("Runtime.getIsolateId")
        time.sleep(0.2)


def heap(page: Page) -> tuple[int, int, int]:
    """Bytes of the heap, nodes and listeners, once the garbage is collected."""
    for _ in range(2):
        page.send("HeapProfiler.collectGarbage")
    counted = page.send("Memory.getDOMCounters")
    return page.send("Runtime.getHeapUsage")["usedSize"], counted["nodes"], counted["jsEventListeners"]


@pytest.mark.parametrize("leaks", [True, False], ids=["with the fault", "without"])
def test_the_live_view_leaks_by_its_fault_alone(
    stack: Stack, staff: dict[str, Member], page: Page, leaks: bool
) -> None:
    told: dict[str, Any] = httpx2.get(f"{stack.url('admin')}/settings.json").json()
    told["faults"] = {"admin.live.leak": 1} if leaks else {}
    page.send("Fetch.enable", patterns=[{"urlPattern": "*/settings.json"}])
    page.send("Page.reload")

    def asked() -> list[str]:
        page.send("Runtime.getIsolateId")  # what came meanwhile is read with an answer
        return [it["params"]["requestId"] for it in page.events if it["method"] == "Fetch.requestPaused"]

    body = base64.b64encode(json.dumps(told).encode()).decode()
    for request_id in until(asked, "the pages ask for their settings"):
        page.send("Fetch.fulfillRequest", requestId=request_id, responseCode=200, body=body)
    page.send("Emulation.setDeviceMetricsOverride", width=1280, height=800, deviceScaleFactor=1, mobile=False)
    page.wait("input[name=email]")
    sign_in(page, staff["viewer"])
    go(page, "live", ".chart svg")
    rest(page, 6)  # what is made once is made
    began = time.monotonic()
    before = heap(page)
    rest(page, 30)
    after = heap(page)
    minutes = (time.monotonic() - began) / 60
    grown, nodes, listeners = ((now - then) / minutes for now, then in zip(after, before, strict=True))
    print(f"{grown / MEGABYTE:.2f} MB, {nodes:.0f} nodes and {listeners:.0f} listeners a minute")
    if leaks:
        assert grown >= 10 * MEGABYTE
        assert nodes > 1000
        assert listeners > 20
    else:
        assert grown < 1 * MEGABYTE
        assert nodes < 1000
