"""The headers of a trace, in and out; what services do with them is in test_trace_chain.py."""

from __future__ import annotations

import pytest
from opentelemetry import trace
from reelback_telemetry.propagation import BAGGAGE_LENGTH, SentryHeaders

TRACE, SPAN = "0123456789abcdef0123456789abcdef", "0123456789abcdef"
headers = SentryHeaders()


def passed_on(carrier: dict[str, str]) -> dict[str, str]:
    sent: dict[str, str] = {}
    headers.inject(sent, headers.extract(carrier))
    return sent


@pytest.mark.parametrize(("flag", "sampled"), [("-1", True), ("-0", False), ("", True)])
def test_the_callers_span_is_continued_and_so_is_its_decision(flag: str, sampled: bool) -> None:
    context = headers.extract({"sentry-trace": f"{TRACE}-{SPAN}{flag}"})
    span = trace.get_current_span(context).get_span_context()
    assert (f"{span.trace_id:x}".zfill(32), f"{span.span_id:x}".zfill(16)) == (TRACE, SPAN)
    assert (span.is_remote, span.trace_flags.sampled) == (True, sampled)


def test_baggage_is_passed_on_as_it_came() -> None:
    carrier = {"sentry-trace": f"{TRACE}-{SPAN}-1", "baggage": "sentry-release=web%401.0.0, other=kept;ttl=1"}
    assert passed_on(carrier) == carrier


@pytest.mark.parametrize(
    "carrier",
    [
        {},
        {"sentry-trace": ""},
        {"sentry-trace": "no trace"},
        {"sentry-trace": f"{TRACE}-{SPAN}-1-more"},
        {"sentry-trace": f"{'0' * 32}-{SPAN}-1"},
        {"baggage": "a=" + "b" * BAGGAGE_LENGTH},
    ],
)
def test_what_is_no_header_is_left_out(carrier: dict[str, str]) -> None:
    assert passed_on(carrier) == {}
