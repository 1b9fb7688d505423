"""The whole stack for all tests of the pages, a browser, and players in it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest
from reelback_common import chromium
from reelback_common.chromium import Chromium, Page

from tests.browser import envelopes
from tests.browser.envelopes import Reports
from tests.local.stack import TESTER, Stack, until

PASSWORD = "correct horse battery staple"
NAME = "<b>Ada</b>"


@pytest.fixture(autouse=True, scope="session")
def _needs_chromium() -> None:
    if chromium.executable() is None:
        pytest.skip("there is no chromium on the PATH")


@pytest.fixture(scope="session")
def reports() -> Iterator[Reports]:
    """What the pages have reported."""
    with envelopes.listening() as it:
        yield it


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, reports: Reports) -> Iterator[Stack]:
    """The whole stack, running."""
    folder = tmp_path_factory.mktemp("stack")
    with Stack.running(folder, BROWSER_DSN=reports.dsn, REPLAY_SAMPLE_RATE="1") as it:
        key = it.home.secrets(["MINISENTRY_BROWSER_KEY"])["MINISENTRY_BROWSER_KEY"]
        reports.onward = f"http://{key}@127.0.0.1:{8091 + it.offset}/2"
        yield it


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium.running(tmp_path_factory.mktemp("chromium")) as it:
        yield it


@pytest.fixture
def visitor(stack: Stack, browser: Chromium) -> Iterator[Page]:
    """Somebody on the first page."""
    with browser.page() as page:
        page.open(f"{stack.url('web')}/")
        page.wait(".front")
        yield page


@pytest.fixture
def page(visitor: Page) -> Page:
    """A player who has registered, refused to be recorded, and has money, at the machine."""
    visitor.click(".question button.quiet")
    register(visitor)
    deposit(visitor, "20")
    return visitor


@pytest.fixture
def tester(stack: Stack, visitor: Page) -> Page:
    """Somebody who may make things fail."""
    visitor.click(".question button.quiet")
    register(visitor, TESTER)
    if not visitor.sees("header"):
        sign_in(visitor, TESTER)
    if not visitor.sees("a[href='#/debug']"):
        visitor.click("a[href='#/account']")
        visitor.fill("code", until(lambda: stack.code(TESTER), "the first mail"))
        visitor.click(".card form button")
        until(lambda: "not verified" not in visitor.text("dl"), "verified")
        sign_out(visitor)
        sign_in(visitor, TESTER)
    visitor.click("a[href='#/debug']")
    until(lambda: visitor.text("main h2") == "Service crashes", "what the services can be made to do")
    return visitor


def register(page: Page, email: str = "") -> str:
    """Register, which signs in, or is refused where the address has an account; the address."""
    email = email or f"{secrets.token_hex(6)}@players.example"
    page.click("button.link")
    page.fill("display_name", NAME)
    page.fill("email", email)
    page.fill("password", PASSWORD)
    page.click("form button")
    until(lambda: page.sees("header") or page.sees("form .problem:not([hidden])"), "registered")
    return email


def sign_in(page: Page, email: str) -> None:
    if page.sees("[name=display_name]"):
        page.click("button.link")
    page.fill("email", email)
    page.fill("password", PASSWORD)
    page.click("form button")
    page.wait("header")


def sign_out(page: Page) -> None:
    page.click("header button.quiet:last-child")
    page.wait(".front")


def deposit(page: Page, amount: str) -> None:
    """Put money in, and go to the machine."""
    page.click("a[href='#/wallet']")
    page.fill("amount", amount)
    page.click(".card form button")
    page.wait(".done")
    page.click("a[href='#/play']")
    page.wait(".connection.live")


def spin(page: Page, clicks: int = 1) -> None:
    page.click("button.spin", clicks)
    page.wait(".cabinet[aria-busy=false]")
