"""What one spin leaves in Sentry."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.local.stack import Player, Stack, until


def _walk(spans: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for span in spans:
        yield span
        yield from _walk(span.get("children", []))


def _service(span: dict[str, Any]) -> str:
    return str(span["additional_attributes"]["service.name"])


SERVICES = {"gateway", "user", "game", "payment", "analytics", "notification"}


def _callers(root: dict[str, Any]) -> dict[str, set[str]]:
    """The services whose spans a service's segments are children of."""
    callers: dict[str, set[str]] = {}
    for parent in _walk([root]):
        for child in parent["children"]:
            if child["is_transaction"]:
                callers.setdefault(_service(child), set()).add(_service(parent))
    return callers


def test_a_spin_is_one_trace_through_six_services(stack: Stack, player: Player) -> None:
    status, trace = player.spin()
    assert status == 201

    published = {"game", "payment"}
    wanted = {
        "user": {"gateway"}, "game": {"gateway"}, "payment": {"game"}, "analytics": published, "notification": published
    }  # fmt: skip

    def complete() -> list[dict[str, Any]] | None:
        spans = stack.sentry(f"trace/{trace}/")
        return spans if len(spans) == 1 and _callers(spans[0]) == wanted else None

    (root,) = until(complete, "one tree of the spans of six services", 20)
    assert (_service(root), root["is_transaction"]) == ("gateway", True)
    for parent in _walk([root]):
        assert all(child["parent_span_id"] == parent["event_id"] for child in parent["children"])
    releases = {span["additional_attributes"]["release"].partition("@")[0] for span in _walk([root])}
    assert releases == SERVICES


@pytest.fixture
def broken_payment(stack: Stack) -> Iterator[None]:
    """A second payment beside the good one, which fails every charge."""
    change = {"release": "payment@9.9.9", "env": {"REELBACK_FAULTS": '{"payment.charge.error_rate": 1}'}}
    put = stack.ask("PUT", "/workloads/payment/candidate", json={"change": change, "replicas": 1, "owner": ""})
    assert put.status_code == 200, put.text
    until(lambda: len(stack.home.endpoints("payment").read_text().split()) == 2, "the candidate serves")
    yield
    assert stack.ask("DELETE", "/workloads/payment/candidate").status_code == 200
    until(lambda: "payment-candidate" not in stack.processes(), "the candidate has gone")


@pytest.mark.usefixtures("broken_payment")
def test_the_exception_of_a_failed_charge_is_on_its_trace(stack: Stack, player: Player) -> None:
    def failed() -> str | None:
        status, trace = player.spin()
        return trace if status >= 500 else None

    trace = until(failed, "a spin that fails")

    def exceptions() -> list[dict[str, Any]] | None:
        spans = _walk(stack.sentry(f"trace/{trace}/"))
        return [error | {"service": _service(span)} for span in spans for error in span.get("errors", [])] or None

    errors = until(exceptions, "the error", 20)
    assert [error["service"] for error in errors] == ["payment"]
    assert "payment.charge.error_rate" in errors[0]["description"]
