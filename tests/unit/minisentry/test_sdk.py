"""Sentry's own SDK with its OTLP integration, as it is, against minisentry: error, session, spans and metrics."""

import subprocess
import sys

from tests.unit.minisentry.conftest import Server

PROGRAM = """
import sys
import sentry_sdk
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from sentry_sdk.integrations.otlp import OTLPIntegration

dsn, release = sys.argv[1:]

class Release(SpanProcessor):
    def on_start(self, span, parent_context=None):
        span.set_attributes({"sentry.release": release, "sentry.environment": "test"})

provider = TracerProvider(resource=Resource.create({"service.name": "payment"}))
provider.add_span_processor(Release())
trace.set_tracer_provider(provider)
sentry_sdk.init(
    dsn=dsn, release=release, environment="test", integrations=[OTLPIntegration(setup_propagator=False)]
)
tracer = trace.get_tracer("test")
with sentry_sdk.sessions.track_session(sentry_sdk.get_isolation_scope(), session_mode="request"):
    with tracer.start_as_current_span("Charge", kind=trace.SpanKind.SERVER) as span:
        with tracer.start_as_current_span("wallet.update"):
            pass
        try:
            raise ValueError("declined")
        except ValueError as error:
            sentry_sdk.capture_exception(error)
            span.set_status(trace.StatusCode.ERROR)
        for game, rtp in (("classic", 0.94), ("classic", 0.96), ("fruits", 0.9)):
            sentry_sdk.metrics.gauge("game.rtp", rtp, unit="ratio", attributes={"game": game})
            sentry_sdk.metrics.count("bets.volume", 250, unit="cent", attributes={"game": game, "currency": "EUR"})
provider.force_flush()
sentry_sdk.flush()
print(trace.format_trace_id(span.get_span_context().trace_id))
"""


def test_the_real_sdk(shared: Server, name: str) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, shared.dsn, name], capture_output=True, text=True, timeout=60, check=True
    )
    trace_id = ran.stdout.strip()

    (row,) = shared.ask(
        "/events/",
        dataset="spans",
        field=["release", "count()", "failure_rate()", "failure_count()", "p95(span.duration)"],
        query=f"is_transaction:true release:{name}",
        environment="test",
        statsPeriod="1h",
    )["data"]
    duration = row.pop("p95(span.duration)")
    assert row == {"release": name, "count()": 1, "failure_rate()": 1.0, "failure_count()": 1}

    (event,) = shared.ask(
        "/events/",
        dataset="errors",
        field=["title", "trace", "release", "environment"],
        query=f"release:{name}",
        statsPeriod="1h",
    )["data"]
    assert event == {"title": "ValueError: declined", "trace": trace_id, "release": name, "environment": "test"}

    (charge,) = shared.ask(f"/trace/{trace_id}/")
    assert (charge["name"], charge["is_transaction"]) == ("Charge", True)
    assert [child["name"] for child in charge["children"]] == ["wallet.update"]
    assert [error["description"] for error in charge["errors"]] == ["ValueError: declined"]
    assert abs(duration / charge["duration"] - 1) < 0.04

    (group,) = shared.ask(
        "/sessions/",
        field=["sum(session)", "crash_free_rate(session)"],
        groupBy="release",
        query=f"release:{name}",
        statsPeriod="1h",
    )["groups"]
    assert group["totals"] == {"sum(session)": 1, "crash_free_rate(session)": 1.0}

    assert name in [release["version"] for release in shared.ask("/releases/")]

    rtp, volume = "avg(value,game.rtp,gauge,ratio)", "sum(value,bets.volume,counter,cent)"
    asked = {"dataset": "tracemetrics", "query": f"release:{name}", "environment": "test", "statsPeriod": "1h"}
    assert shared.ask("/events/", field=["game", "release", rtp], sort="game", **asked)["data"] == [
        {"game": "classic", "release": name, rtp: 0.95},
        {"game": "fruits", "release": name, rtp: 0.9},
    ]
    (total,) = shared.ask("/events/", field=["currency", volume], **asked)["data"]
    assert total == {"currency": "EUR", volume: 750}
