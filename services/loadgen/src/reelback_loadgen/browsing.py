"""Players who have a browser: each visit is a new one, who registers, puts money in, spins, and leaves."""

from __future__ import annotations

import logging
import secrets
import tempfile
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import gevent
from gevent.event import Event
from gevent.pool import Group
from reelback_common import chromium

SPINS = 3
"""Of one visit."""

DEPOSIT = "50"

REST = 0.5
"""Seconds between a player's visits."""

END_SECONDS = 3.0
"""How long the last visits may still take."""

log = logging.getLogger(__name__)


def play(web: str, gateway: str, shown_as: str, players: int, ended: Event) -> Counter[str]:
    """Let so many players visit the pages at `web`, one visit after the other, until the end; how visits ended.

    `shown_as` is where the pages think that they are, if not at `web`: then they reach the gateway there, too.
    """
    seen: Counter[str] = Counter()
    page = shown_as or web
    # Pages that say how they move in peace are quicker to play with.
    arguments = ["--force-prefers-reduced-motion"]
    if shown_as:
        outside, inside = urlsplit(shown_as), urlsplit(gateway)
        mapped = f"MAP {outside.netloc} {urlsplit(web).netloc}, MAP {outside.hostname}:{inside.port} {inside.netloc}"
        arguments.append(f"--host-resolver-rules={mapped}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            with chromium.running(Path(folder), *arguments) as browser:
                group = Group()
                for _ in range(players):
                    group.spawn(_player, browser, page, ended, seen)
                ended.wait()
                group.join(END_SECONDS)
                group.kill()
        except chromium.NotSo as error:
            log.warning("players have no browser: %s", error)
    return seen


def _player(browser: chromium.Chromium, web: str, ended: Event, seen: Counter[str]) -> None:
    while not ended.is_set():
        try:
            with browser.page() as page:
                seen[_visit(page, web)] += 1
        except (chromium.NotSo, OSError) as error:
            seen["given up"] += 1
            log.warning("a visit was given up: %s", str(error)[:300])
        gevent.sleep(REST)


def _visit(page: chromium.Page, web: str) -> str:
    """One visit, from the first page to the last spin; how it ended."""
    page.open(f"{web}/")
    page.click(".question button")  # whoever plays for a demonstration may be recorded
    page.click("button.link")
    page.fill("display_name", "Load")
    page.fill("email", f"player-{secrets.token_hex(8)}@players.example")
    page.fill("password", secrets.token_hex(16))
    page.click("form button")
    page.click("a[href='#/wallet']")
    page.fill("amount", DEPOSIT)
    page.click(".card form button")
    page.wait(".done")
    page.click("a[href='#/play']")
    page.wait(".connection.live")
    for _ in range(SPINS):
        page.click("button.spin")
        chromium.until(
            lambda: page.sees(".cabinet[aria-busy=false]") or page.sees("main > .problem"), lambda: "a spin", 20
        )
        if page.sees("main > .problem"):
            return "broken"
    return "played"
