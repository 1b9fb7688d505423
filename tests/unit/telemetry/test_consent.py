"""Who refuses to be known is not: here, in what the request calls, and in what hears of it later."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from reelback_telemetry import consent, edge

from tests.unit.common import collector as collecting

REFUSER = Path(__file__).with_name("refuser.py")


def test_without_consent_errors_are_sent_without_the_person() -> None:
    with collecting.running() as collector:
        subprocess.run([sys.executable, str(REFUSER)], env={"SENTRY_DSN": collector.dsn}, check=True, timeout=60)
        events = {
            (event.get("tags", {}).get("consent"), event["exception"]["values"][-1]["type"]): event
            for event in collector.of("event")
        }
        assert set(events) == {(refused, kind) for refused in (None, "no") for kind in ("ValueError", "LookupError")}
        known, unknown = events[None, "LookupError"], events["no", "LookupError"]
        assert known["user"] == {"id": "ada"}
        assert "203.0.113.0" in str(known)
        assert [crumb["category"] for crumb in known["breadcrumbs"]["values"]] == ["business", "query"]
        assert "user" not in unknown
        assert "[address]" in str(unknown)
        assert [crumb["category"] for crumb in unknown["breadcrumbs"]["values"]] == ["query"]
        assert events[None, "ValueError"]["user"] == {"id": "ada"}
        assert "user" not in events["no", "ValueError"], "the event's consumer knows of it"
        segments = {span.name: span for span in collector.spans if span.segment and span.name.startswith("POST")}
        assert segments["POST /True"].attributes["user.id"] == "ada"
        assert "user.id" not in segments["POST /False"].attributes
        assert "bob" not in str([*events.values(), collector.spans])


@pytest.mark.parametrize(
    ("name", "value", "refused"),
    [(b"sec-gpc", b"1", True), (b"dnt", b"1", True), (b"dnt", b"0", False), (b"telemetry-consent", b"no", False)],
)
def test_a_browser_refuses_by_its_own_headers(name: bytes, value: bytes, refused: bool) -> None:
    assert (edge.carrier([(name, value)]).get(consent.HEADER) == consent.REFUSED) is refused
