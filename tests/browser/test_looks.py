"""Every page in both themes and at two widths: nothing for axe to complain of, and a picture of each to look at."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from reelback_common.chromium import Page
from reelback_local.layout.home import PROJECT

from tests.browser.conftest import deposit, register, spin
from tests.local.stack import Stack

pytestmark = pytest.mark.timeout(300)

AXE = PROJECT / "services" / "web" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = PROJECT / ".reelback" / "screenshots"
WIDTHS = {"wide": 1280, "narrow": 360}
THEMES = ("light", "dark")


@pytest.fixture
def pictures() -> Path:
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES


def looked_at(page: Page, name: str, folder: Path) -> list[str]:
    """Take a picture of the page as it is in every theme and width; what axe complains of, a line each."""
    complaints = []
    page.send("Emulation.setScrollbarsHidden", hidden=True)  # a picture of all of a page has none
    for theme in THEMES:
        for kind, width in WIDTHS.items():
            page.send("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False)
            motion = {"name": "prefers-reduced-motion", "value": "reduce"}
            page.send("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": theme}, motion])
            picture = page.send("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
            (folder / f"{name}-{kind}-{theme}.png").write_bytes(base64.b64decode(picture))
            if AXE.is_file():
                complaints += [f"{name}, {kind}, {theme}: {each}" for each in _violations(page)]
            assert page.run("document.documentElement.scrollWidth <= innerWidth"), f"{name} is wider than {width}"
    return complaints


def _violations(page: Page) -> list[str]:
    if not page.run("typeof axe === 'object'"):
        page.run(AXE.read_text())
    found: list[dict[str, Any]] = page.run("axe.run().then(({violations}) => violations)")
    return [f"{each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]


def test_the_first_page(visitor: Page, pictures: Path) -> None:
    complaints = looked_at(visitor, "sign-in", pictures)
    visitor.click("button.link")
    assert complaints + looked_at(visitor, "register", pictures) == []


def test_the_pages_of_a_player(visitor: Page, pictures: Path) -> None:
    visitor.click(".question button.quiet")
    register(visitor)
    visitor.wait("h1")
    complaints = looked_at(visitor, "play-first", pictures)
    visitor.click("a[href='#/history']")
    visitor.wait("h2")
    complaints += looked_at(visitor, "history-empty", pictures)
    deposit(visitor, "20")
    while "win" not in visitor.text(".verdict"):
        spin(visitor)
    visitor.run("document.querySelector('details').open = true")
    complaints += looked_at(visitor, "play-won", pictures)
    for page in ("wallet", "history", "messages", "account"):
        visitor.click(f"a[href='#/{page}']")
        visitor.wait("main td, main dl")
        complaints += looked_at(visitor, page, pictures)
    visitor.fill("bet", "ten")
    visitor.click("main > .card form button")
    visitor.wait("[aria-invalid]")
    complaints += looked_at(visitor, "account-refused", pictures)
    assert complaints == []


def test_what_has_broken(page: Page, pictures: Path) -> None:
    spin(page)
    page.run("whole = Array.prototype.join, Array.prototype.join = () => { throw new RangeError('not joined') }")
    page.run("location.hash = '#/history'")
    page.wait("main > .problem")
    page.run("Array.prototype.join = whole")
    assert looked_at(page, "broken", pictures) == []


def test_the_panel_of_testers(stack: Stack, tester: Page, pictures: Path) -> None:
    tester.run("document.querySelector('.faults button').click()")
    tester.wait(".outcome code")
    assert looked_at(tester, "debug", pictures) == []
