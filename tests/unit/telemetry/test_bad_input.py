"""Whatever a service says of itself, it is served on."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import sentry_sdk
from reelback_telemetry import business, context, counts, errors, journeys, operations, plain
from reelback_telemetry.journeys import UserJourneys
from reelback_telemetry.seldom import MOST, Seldom


def test_what_is_too_long_too_deep_or_never_ends_is_cut() -> None:
    endless: dict[str, Any] = {"secret": object(), "many": list(range(10_000)), "long": "x" * 10_000}
    endless["again"] = endless
    cut = plain.tree(endless)
    assert len(cut["many"]) == plain.ITEMS
    assert len(cut["long"]) == plain.LENGTH
    assert cut["again"]["again"]["again"]["again"] == "..."
    assert plain.text("two\nlines\r" + "y" * 10_000).startswith("two lines y")
    errors.capture_custom_exception(ValueError("x"), context=endless, tags={"t" * 10_000: endless}, user="u" * 10_000)
    business.log_business_event("{not} a {format", **endless)
    business.trigger_business_alert("endless", "m" * 10_000, **endless)


def test_a_journey_that_never_ends_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journeys, "MOST", 10)
    on = UserJourneys()
    for number in range(100):
        on.start_journey(f"u{number}", "first deposit")
    assert len(on._on) == 10
    for _ in range(1000):
        on.add_step("u99", "again")
    on.add_step("nobody", "deposited")
    on.complete_journey("nobody")
    on.complete_journey("u99")
    on.complete_journey("u99")
    assert len(on._on) == 9
    monkeypatch.setattr(journeys, "LONGEST_SECONDS", -1.0)
    on.start_journey("last", "first deposit")
    assert len(on._on) == 0


def test_steps_come_in_any_order_and_tags_are_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, float, dict[str, str]]] = []
    monkeypatch.setattr(sentry_sdk.metrics, "count", lambda name, n, attributes: sent.append((name, n, attributes)))
    for step in ("paid", "began", "paid", "s" * 10_000):
        business.track_conversion_funnel("checkout", step)
    counts.flush()
    # Others of this process may have counted, too.
    steps = [(attributes["step"], n) for _, n, attributes in sent if attributes.get("funnel") == "checkout"]
    assert steps == [("paid", 1), ("began", 1), ("s" * plain.LENGTH, 1), ("paid", 1)]
    with sentry_sdk.isolation_scope() as scope:
        scope.clear()  # others of this process may have said something outside of any request
        context.describe(tier="t" * 10_000, game="two\nlines")
        told: Any = scope._tags
    assert told == {context.TIER: "t" * plain.LENGTH, context.GAME: "two lines"}


def test_counts_of_more_kinds_than_there_can_be_are_sent_and_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[float] = []
    monkeypatch.setattr(sentry_sdk.metrics, "count", lambda name, n, attributes: sent.append(n))
    many = counts.Counts("many")
    for _ in range(2):
        for number in range(3 * MOST):
            many.add(of=str(number))
    many.flush()
    assert len(many._since) == 0
    assert sum(sent) == 6 * MOST


def test_a_name_passes_now_and_then_and_is_not_remembered_for_ever() -> None:
    seldom = Seldom(60)
    assert [seldom.passes("a") for _ in range(3)] == [True, False, False]
    for number in range(3 * MOST):
        assert seldom.passes(str(number))
    assert len(seldom._next) <= MOST
    assert Seldom(0).passes("a")


async def test_decorated_functions_are_what_they_were() -> None:
    @operations.tag_business_operation("double")
    @operations.monitor_performance("double", threshold_ms=1e9)
    async def awaited(number: int, *, by: int = 2) -> int:
        """Says what it does."""
        await asyncio.sleep(0)
        return number * by

    @operations.monitor_performance("half", threshold_ms=0)
    def direct(number: int) -> float:
        return 1 / number

    assert await awaited(4, by=3) == 12
    assert (awaited.__name__, awaited.__doc__) == ("awaited", "Says what it does.")
    assert direct(2) == 0.5
    with pytest.raises(ZeroDivisionError):
        direct(0)
