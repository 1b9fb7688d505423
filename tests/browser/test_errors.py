"""What is reported of an error, what players may say about it, and what a recording holds and does not hold."""

from __future__ import annotations

import json

import pytest
from reelback_common.chromium import Chromium, Page

from tests.browser.conftest import PASSWORD, deposit, register, spin
from tests.browser.envelopes import Reports
from tests.local.stack import Stack, until

pytestmark = pytest.mark.timeout(300)

SECRET = "xyzzy plugh"


def broken(page: Page) -> None:
    """A page that breaks while it is drawn."""
    spin(page)
    page.run("Array.prototype.join = () => { throw new RangeError('nothing is joined') }")
    page.run("location.hash = '#/history'")
    page.wait("main > .problem")


def test_a_page_that_breaks_says_where_and_after_what_and_the_rest_still_works(
    stack: Stack, reports: Reports, page: Page
) -> None:
    before = len(reports.envelopes)
    broken(page)
    assert page.text("main > .problem") == "This page has broken. The rest still works."
    event = until(lambda: reports.items("event", before), "an event")[0].json
    tags = event["tags"]
    assert (tags["component"], tags["route"], tags["last_action"]) == ("HistoryPage", "history", "spin")
    assert event["release"] == "web@1.4.0"
    assert event["exception"]["values"][-1]["type"] == "RangeError"
    assert event["exception"]["values"][-1]["mechanism"]["handled"] is False

    def crashed() -> list[str]:
        sessions = [item.json for item in reports.items("session", before)]
        return [session["attrs"]["release"] for session in sessions if session["status"] == "unhandled"]

    assert until(crashed, "a session that crashed") == ["web@1.4.0"]


def test_what_a_player_says_about_an_error_is_with_it_and_nowhere_else(reports: Reports, page: Page) -> None:
    before = len(reports.envelopes)
    broken(page)
    event = until(lambda: reports.items("event", before), "an event")[0].json
    page.fill("message", SECRET)
    page.click(".feedback form button")
    page.wait(".feedback .done")
    feedback = until(lambda: reports.items("feedback", before), "the feedback")[0].json
    assert feedback["contexts"]["feedback"]["message"] == SECRET
    assert feedback["contexts"]["feedback"]["associated_event_id"] == event["event_id"]
    others = [envelope for envelope in reports.envelopes[before:] if b'"type":"feedback"' not in envelope]
    assert not any(SECRET.encode() in envelope for envelope in others)


def test_who_refuses_is_not_recorded_and_may_think_again(reports: Reports, page: Page) -> None:
    before = len(reports.envelopes)
    assert not page.sees(".question")
    spin(page)
    page.run("new Promise((done) => setTimeout(done, 2500))")
    assert reports.items("replay_recording", before) == []
    assert not any("/replay-" in str(event) for event in page.events)

    page.click("a[href='#/account']")
    page.click("main > .card:last-child button")
    until(lambda: reports.items("replay_recording", before), "a recording", 30)
    page.click("main > .card:last-child button")
    assert "Nothing is recorded" in page.text("main > .card:last-child")
    page.run("new Promise((done) => setTimeout(done, 1500))")
    ended = len(reports.envelopes)
    page.click("a[href='#/play']")
    spin(page)
    page.run("new Promise((done) => setTimeout(done, 7000))")
    assert reports.items("replay_recording", ended) == []
    page.run("location.reload()")
    page.wait("header")
    assert not page.sees(".question")


@pytest.mark.parametrize("signal", ["globalPrivacyControl: {get: () => true}", "doNotTrack: {get: () => '1'}"])
def test_a_browser_that_refuses_is_not_even_asked(stack: Stack, browser: Chromium, signal: str) -> None:
    with browser.page() as page:
        source = f"Object.defineProperties(navigator, {{{signal}}}); localStorage['reelback.recording'] = 'yes'"
        page.send("Page.addScriptToEvaluateOnNewDocument", source=source)
        page.open(f"{stack.url('web')}/")
        register(page)
        assert not page.sees(".question")
        page.click("a[href='#/account']")
        page.wait("main > .card:last-child p")
        assert "Your browser asks not to be tracked" in page.text("main > .card:last-child")
        page.run("new Promise((done) => setTimeout(done, 1500))")
        assert not any("/replay-" in json.dumps(event) for event in page.events)


def test_a_recording_holds_nothing_that_was_typed_no_address_and_no_balance(
    stack: Stack, reports: Reports, visitor: Page
) -> None:
    before = len(reports.envelopes)
    visitor.click(".question button")
    visitor.run("new Promise((done) => setTimeout(done, 1500))")  # the recording is loaded
    email = register(visitor)
    deposit(visitor, "1234.56")
    spin(visitor)
    visitor.click("a[href='#/account']")
    visitor.wait("dd")
    visitor.fill("deposit_per_day", "7654.32")
    visitor.click("a[href='#/messages']")
    visitor.fill("phone", "+4915112345678")
    visitor.click("a[href='#/history']")
    visitor.wait("tbody tr")
    balance = visitor.text(".balance strong").strip("€").replace(",", "")
    recordings = until(lambda: _long_enough(reports, before), "a recording", 40)
    read = "\n".join(recordings)
    for typed in (email, email.partition("@")[0], PASSWORD, "1234.56", "1,234.56", "7654", "15112345678", "Ada"):
        assert typed not in read, typed
    assert balance not in read.replace(",", "")
    assert "players.example" not in read
    # It is a recording all the same: of pages, clicks and the reels.
    assert "Play" in read
    assert "<svg" in read or '"svg"' in read
    assert visitor.complaints() == []


def _long_enough(reports: Reports, since: int) -> list[str]:
    """The segments, once they come from the page of the history."""
    urls = [url for item in reports.items("replay_event", since) for url in item.json["urls"]]
    segments = [item.recording for item in reports.items("replay_recording", since)]
    return segments if any("history" in text for text in [*urls, *segments]) else []


def test_a_click_is_in_the_trace_of_what_came_of_it_up_to_the_mail(stack: Stack, page: Page) -> None:
    def services(span: dict[str, object]) -> set[str]:
        own = {str(dict(span.get("additional_attributes") or {}).get("service.name"))}  # type: ignore[call-overload]
        return own.union(*(services(child) for child in span["children"]))  # type: ignore[attr-defined]

    page.events.clear()
    page.click("a[href='#/wallet']")
    page.fill("amount", "5")
    page.click(".card form button")
    page.wait(".done")
    page.run("1")
    sent = [event["params"]["request"] for event in page.events if event["method"] == "Network.requestWillBeSent"]
    posted = next(each for each in sent if each["method"] == "POST" and each["url"].endswith("/deposits"))
    trace = posted["headers"]["traceparent"].split("-")[1]
    wanted = {"gateway", "payment", "notification"}

    def whole() -> bool:
        return any(services(root) >= wanted for root in stack.sentry(f"trace/{trace}/"))

    until(whole, "a tree from the click to the mail", 60)
