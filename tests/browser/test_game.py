"""The game as a player has it: the pages in a browser, on the whole stack."""

from __future__ import annotations

import gzip
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from reelback_local import site

from tests.browser import chromium
from tests.browser.chromium import Page
from tests.local.stack import Stack, until

pytestmark = [
    pytest.mark.skipif(chromium.executable() is None, reason="there is no chromium on the PATH"),
    pytest.mark.timeout(300),  # the first of them waits for the stack, too
]

FIRST_LOAD = 120_000
"""Bytes, compressed, until the game can be played."""

PASSWORD = "correct horse battery staple"
NAME = "<b>Ada</b>"
CALLED = {"gateway", "user", "game", "payment"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack.running(tmp_path_factory.mktemp("stack")) as it:
        yield it


@pytest.fixture
def page(stack: Stack, tmp_path: Path) -> Iterator[Page]:
    """A player who has registered and has money, at the machine."""
    with chromium.page(tmp_path) as it:
        it.open(f"{stack.url('web')}/")
        it.click("button.link")
        it.fill("display_name", NAME)
        it.fill("email", f"{secrets.token_hex(6)}@players.example")
        it.fill("password", PASSWORD)
        it.click("form button")
        it.click("a[href='#/wallet']")
        it.fill("amount", "20")
        it.click(".card form button")
        it.wait(".done")
        it.click("a[href='#/play']")
        it.wait(".connection.live")
        yield it


def spin(page: Page, clicks: int = 1) -> None:
    page.click("button.spin", clicks)
    page.wait(".cabinet[aria-busy=false]")


def rounds(page: Page) -> int:
    page.click("a[href='#/history']")
    page.wait("h2")
    page.wait("tbody tr")
    found: int = page.run("document.querySelector('tbody').rows.length")
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
    page.click("header button.quiet:last-child")
    page.wait(".front")
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
