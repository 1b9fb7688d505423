"""Each button of the debug panel: what is answered, and what Sentry then has under the trace that is shown."""

from __future__ import annotations

import re
import time

import httpx2
import pytest
from reelback_common.chromium import Page
from reelback_common.debug_endpoints import ENDPOINTS, Endpoint

from tests.browser.envelopes import Reports
from tests.local.stack import Stack, until

pytestmark = pytest.mark.timeout(300)

PAUSE = 0.55
"""Two a second may be asked for."""

BROWSER = {
    "unhandled": "DebugError: nobody catches this",
    "rejection": "DebugError: nobody waits for this",
    "boundary": "DebugError: this cannot be drawn",
    # In this order: a slow render is a long task, too, and the SDK drops what is like the event before.
    "long task": "long task",
    "slow render": "slow render",
    "failing fetch": "DebugError: GET /api/v1/nowhere: 404",
}


def pressed(page: Page, label: str) -> str:
    """What is said once the button of this label was pressed."""
    item = (
        f"[...document.querySelectorAll('.faults li')].find((li) => li.querySelector('button').innerText === '{label}')"
    )
    page.run(f"{item}.querySelector('button').click()")
    said = f"{item}.querySelector('.outcome').innerText"
    found: str = until(lambda: page.run(said), label, 20)
    return found


def trace_of(said: str) -> str:
    found = re.search(r"\b[0-9a-f]{32}\b", said)
    assert found, said
    return found[0]


def test_each_button_of_the_services_fails_as_it_should(stack: Stack, tester: Page) -> None:
    traces: dict[Endpoint, str] = {}

    def sections() -> list[str]:
        shown: list[str] = tester.run("[...document.querySelectorAll('main h2')].map((each) => each.innerText)")
        return shown

    until(lambda: len(sections()) > 1, f"the gateway's list: {tester.text('main')}")
    assert sections() == ["Service crashes", "Memory and threading", "Service-specific errors", "Browser"]
    for endpoint in sorted(ENDPOINTS.values(), key=lambda each: each.status == 503):
        said = pressed(tester, f"{endpoint.service}: {endpoint.name}")
        if endpoint.status >= 400:
            assert f"It failed as it should ({endpoint.status})." in said
        traces[endpoint] = trace_of(said)
        time.sleep(PAUSE)
    for endpoint, trace in traces.items():
        until(lambda trace=trace: _titles(stack, trace), f"an event of {endpoint.path}", 30)  # type: ignore[misc]
    nobody = {"email": "nobody@players.example", "password": "not a password"}
    url = f"{stack.url('gateway')}/api/v1/sessions"
    until(lambda: httpx2.post(url, json=nobody, timeout=10).status_code == 401, "user, which crashed, is back")


def test_each_button_of_the_browser_leaves_an_event_under_its_trace(
    stack: Stack, tester: Page, reports: Reports
) -> None:
    tester.run("new Promise((done) => setTimeout(done, 1500))")  # what looks for long tasks is loaded
    for name, title in BROWSER.items():
        trace = trace_of(pressed(tester, f"Browser: {name}"))
        if name == "boundary":
            until(
                lambda: tester.text("main .card:last-child .problem").startswith("This page has broken."),
                "the sentence",
            )
        until(lambda trace=trace, title=title: title in _titles(stack, trace), f"{title} under {trace}", 20)  # type: ignore[misc]
    links = tester.run("[...document.querySelectorAll('.outcome a')].map((each) => each.href)")
    assert len(links) == 2 * len(BROWSER)
    assert all(link.startswith(f"{stack.url('minisentry')}/organizations/reelback/") for link in links)
    assert httpx2.get(links[0], follow_redirects=True, timeout=10).status_code == 200


def test_who_is_no_tester_has_no_panel(stack: Stack, page: Page) -> None:
    assert not page.sees("a[href='#/debug']")
    page.run("location.hash = '#/debug'")
    page.wait(".cabinet")
    assert page.text("h1") == "Play"


def _titles(stack: Stack, trace: str) -> list[str]:
    rows = stack.sentry("events/", dataset="errors", field=["title"], query=f"trace:{trace}", statsPeriod="1h")["data"]
    return [row["title"] for row in rows]
