"""The game as a player has it: the pages in a browser, on the whole stack."""

from __future__ import annotations

import base64
import gzip
import json
import os
import signal
from typing import Any

import httpx2
import pytest
from reelback_common.chromium import Chromium, Page
from reelback_local import site

from tests.browser.conftest import NAME, deposit, register, sign_out, spin
from tests.local.stack import Stack, until

pytestmark = pytest.mark.timeout(300)  # the first of them waits for the stack, too

FIRST_LOAD = 120_000
"""Bytes, compressed, until the game can be played."""

FORBIDDEN = """
for (const name of ["localStorage", "sessionStorage"])
  Object.defineProperty(window, name, { get() { throw new DOMException("no", "SecurityError"); } });
"""

CALLED = {"gateway", "user", "game", "payment"}


def rounds(page: Page) -> int:
    page.click("a[href='#/history']")
    page.wait("section[aria-label=History] tbody tr")
    found: int = page.run("document.querySelector('section[aria-label=History] tbody').rows.length")
    return found


def token(page: Page) -> str:
    return str(page.run("JSON.parse(sessionStorage['reelback.session']).token"))


def bets(page: Page) -> list[tuple[str, str]]:
    """The bets that went over the WebSocket, and over HTTP when there was none: the request's id, the trace's."""
    page.run("1")  # what came meanwhile is read with an answer
    found = []
    for event in page.events:
        if event["method"] == "Network.webSocketFrameSent":
            bet = json.loads(event["params"]["response"]["payloadData"])
            found.append((bet["request_id"], bet["trace"]["traceparent"]))
        elif event["method"] == "Network.requestWillBeSent":
            request = event["params"]["request"]
            if request["method"] == "POST" and request["url"].endswith("/spins"):
                found.append((json.loads(request["postData"])["request_id"], request["headers"]["traceparent"]))
    return [(request_id, traceparent.split("-")[1]) for request_id, traceparent in found]


def services(span: dict[str, Any]) -> set[str]:
    """The services of a span and of all below it."""
    own = {str(span.get("additional_attributes", {}).get("service.name"))}
    return own.union(*(services(child) for child in span["children"]))


def test_a_double_click_is_one_bet_and_its_trace_begins_with_the_click(stack: Stack, page: Page) -> None:
    seen: list[Any] = []

    def whole(trace: str) -> bool:
        seen[:] = stack.sentry(f"trace/{trace}/")
        return any(root.get("op") == "ui.action.click" and services(root) >= CALLED for root in seen)

    spin(page, clicks=2)
    ((_, trace),) = bets(page)
    assert rounds(page) == 1
    until(lambda: whole(trace), "a tree from the click to the ledger", 60)
    assert len(seen) == 1


def test_what_a_player_is_called_is_text_and_after_signing_out_there_is_nothing_to_go_back_to(page: Page) -> None:
    page.click("a[href='#/account']")
    page.wait("dd")
    assert page.text("dd") == NAME
    sign_out(page)
    page.run("history.back()")
    until(lambda: page.run("location.hash") == "#/play", "the address before")
    assert page.text("h1") == "Sign in"
    assert page.run("sessionStorage.length") == 0


def test_no_page_breaks_the_policy_of_what_it_may_load(page: Page) -> None:
    for name in ("wallet", "history", "messages", "account", "play"):
        page.click(f"a[href='#/{name}']")
        page.wait("h1")
    spin(page)
    assert [each for each in page.complaints() if "Content Security Policy" in each or "exception" in each] == []


def test_a_session_that_ends_in_the_middle_leads_to_the_sign_in(stack: Stack, page: Page) -> None:
    headers = {"Authorization": f"Bearer {token(page)}"}
    assert httpx2.delete(f"{stack.url('gateway')}/api/v1/sessions", headers=headers).status_code == 204
    page.click("button.spin")
    page.wait(".front")
    assert "session has ended" in page.text(".notice")


def test_a_spin_of_which_nothing_was_heard_is_asked_for_again_and_played_once(page: Page) -> None:
    page.offline(True)
    page.click("button.spin")
    page.wait(".connection.waiting", 60)
    page.wait(".verdict .problem", 60)
    assert page.text(".verdict").endswith(".")
    page.offline(False)
    page.wait(".connection.live", 60)
    spin(page)
    assert page.text(".verdict .problem") == ""
    assert len({request_id for request_id, _ in bets(page)}) == 1
    assert rounds(page) == 1


def test_the_first_load_is_small() -> None:
    folder = site.built()["web"]
    html = (folder / "index.html").read_text()
    asked = [file for file in (folder / "assets").iterdir() if f"/assets/{file.name}" in html]
    assert asked
    assert sum(len(gzip.compress(file.read_bytes(), 9)) for file in asked) < FIRST_LOAD


def test_what_is_served_has_debug_ids_and_no_source_maps() -> None:
    folder = site.built()["web"]
    assert folder
    served = [file for file in folder.rglob("*") if file.is_file()]
    assert [file.name for file in served if ".map" in file.name] == []
    for script in folder.glob("assets/*.js"):
        known = json.loads((site.maps("web") / f"{script.name}.map").read_text())["debugId"]
        assert f"//# debugId={known}" in script.read_text()
        assert "sourceMappingURL" not in script.read_text()


def test_the_game_goes_on_when_the_gateway_was_killed(stack: Stack, page: Page) -> None:
    spin(page)
    pid = stack.processes()["gateway"].pid
    assert pid
    os.kill(pid, signal.SIGKILL)
    page.wait(".connection.waiting", 20)
    page.wait(".connection.live", 60)
    spin(page)
    assert page.text(".verdict .problem") == ""
    assert rounds(page) == 2


def test_two_tabs_play_in_one_wallet(stack: Stack, browser: Chromium) -> None:
    with browser.page() as first:
        first.open(f"{stack.url('web')}/")
        first.click(".question button.quiet")
        register(first)
        deposit(first, "20")
        kept = first.run("sessionStorage['reelback.session']")
        with browser.page() as second:
            second.open(f"{stack.url('web')}/")
            second.wait(".front")
            second.run(f"sessionStorage['reelback.session'] = {json.dumps(kept)}; location.reload()")
            second.wait(".connection.live")
            spin(second)
            spin(first)
            spin(second)
            assert rounds(first) == rounds(second) == 3
            after = first.text("tbody tr td:last-child")
            assert second.text("tbody tr td:last-child") == after
            second.click("a[href='#/wallet']")
            until(lambda: second.text(".balance strong") == after, "the balance of both")


def test_where_nothing_may_be_stored_the_game_is_played_all_the_same(stack: Stack, browser: Chromium) -> None:
    with browser.page() as page:
        page.send("Page.addScriptToEvaluateOnNewDocument", source=FORBIDDEN)
        page.open(f"{stack.url('web')}/")
        page.click(".question button.quiet")
        register(page)
        deposit(page, "20")
        spin(page)
        assert rounds(page) == 1
        assert page.complaints() == []


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("Fetch.failRequest", {"errorReason": "ConnectionRefused"}),
        ("Fetch.fulfillRequest", {"responseCode": 200, "body": base64.b64encode(b"<b>nonsense</b>").decode()}),
        ("Fetch.fulfillRequest", {"responseCode": 200, "body": base64.b64encode(b"{}").decode()}),
        ("Fetch.fulfillRequest", {"responseCode": 502, "body": base64.b64encode(b"<html>").decode()}),
    ],
    ids=["away", "nonsense", "something else", "a proxy"],
)
def test_a_gateway_that_is_away_or_talks_nonsense_is_a_sentence(
    page: Page, method: str, answer: dict[str, Any]
) -> None:
    page.send("Fetch.enable", patterns=[{"urlPattern": "*/api/v1/spins*", "requestStage": "Request"}])
    page.run("location.hash = '#/history'")
    if method == "Fetch.fulfillRequest":
        answer = {**answer, "responseHeaders": [{"name": "access-control-allow-origin", "value": "*"}]}
    answered: set[str] = set()

    def said() -> bool:
        page.run("1")  # what came meanwhile is read with an answer
        for event in list(page.events):
            if event["method"] == "Fetch.requestPaused" and (request := event["params"]["requestId"]) not in answered:
                answered.add(request)
                page.send(method, requestId=request, **answer)
        return page.sees(".away .problem")

    until(said, "a sentence")
    assert page.text(".away .problem").endswith(".")
    assert page.sees(".away button")


def test_a_gateway_that_is_slow_is_a_sentence(page: Page) -> None:
    page.send("Fetch.enable", patterns=[{"urlPattern": "*/api/v1/spins*", "requestStage": "Request"}])
    page.run("location.hash = '#/history'")
    page.wait(".away .problem", 20)
    assert "too long to answer" in page.text(".away .problem")


def test_a_bet_with_letters_is_told_at_its_field(page: Page) -> None:
    page.click("a[href='#/account']")
    page.fill("bet", "ten")
    page.click("main > .card form button")
    page.wait("[name=bet][aria-invalid=true]")
    assert "amount such as" in page.text("main > .card .field .problem:not([hidden])")


def test_nobody_shows_the_game_in_a_frame(stack: Stack, browser: Chromium) -> None:
    with browser.page() as page:
        page.send("Page.setBypassCSP", enabled=True)
        page.open(f"{stack.url('mailbox')}/")
        there = f"location.origin === '{stack.url('mailbox')}' && document.readyState === 'complete'"
        until(lambda: page.run(there), "a page of somebody else")
        page.run(f"document.body.innerHTML = '<iframe src=\"{stack.url('web')}/\"></iframe>'")
        until(lambda: any("frame-ancestors" in each for each in page.complaints() or [page.run("''")]), "refused")
