"""Which spans are sent when not all are."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from reelback_telemetry import edge, sampling

CALLER = "00-0123456789abcdef0123456789abcdef-0123456789abcdef"


@dataclass
class Service:
    tracer: Tracer
    sent: InMemorySpanExporter

    def request(self, carrier: dict[str, str], *, fails: bool = False) -> dict[str, str]:
        """Answer a request with one call of another service; that call's headers."""
        caller = TraceContextTextMapPropagator().extract(carrier, Context())
        headers: dict[str, str] = {}
        with self.tracer.start_as_current_span("request", caller, SpanKind.SERVER) as span:
            with self.tracer.start_as_current_span("call", kind=SpanKind.CLIENT):
                TraceContextTextMapPropagator().inject(headers)
            if fails:
                span.set_status(Status(StatusCode.ERROR, "failed"))
        return headers

    def spans(self, name: str = "request") -> list[ReadableSpan]:
        return [span for span in self.sent.get_finished_spans() if span.name == name]


@pytest.fixture
def service() -> Iterator[Service]:
    sent = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampling.DrawnTraces({}))
    provider.add_span_processor(sampling.KeptSpans(SimpleSpanProcessor(sent)))
    yield Service(provider.get_tracer("tests"), sent)
    sampling.configure(1.0)
    provider.shutdown()


def test_of_a_trace_that_is_not_drawn_only_the_failed_request_is_sent(service: Service) -> None:
    sampling.configure(0.0)
    called = service.request({})
    assert not int(called["traceparent"][-2:], 16) & trace.TraceFlags.SAMPLED, (
        "the next service does not send it either"
    )
    assert service.sent.get_finished_spans() == ()
    service.request(called, fails=True)
    (failed,) = service.sent.get_finished_spans()
    assert (failed.name, failed.status.description) == ("request", "failed")
    assert dict(failed.attributes or {})[sampling.ATTRIBUTE] == 1.0
    assert failed.context is not None
    assert failed.context.trace_flags.sampled
    assert trace.format_trace_id(failed.context.trace_id) == called["traceparent"].split("-")[1]


def test_a_trace_that_is_drawn_is_sent_whole_with_its_rate(service: Service) -> None:
    sampling.configure(0.25)
    service.request({"traceparent": f"{CALLER}-01"})
    assert [dict(span.attributes or {})[sampling.ATTRIBUTE] for span in service.sent.get_finished_spans()] == [0.25] * 2
    service.request({"traceparent": f"{CALLER}-01"}, fails=True)
    assert dict(service.spans()[-1].attributes or {})[sampling.ATTRIBUTE] == 1.0, "it would be there undrawn, too"


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_what_is_extrapolated_is_what_happened(service: Service, rate: float) -> None:
    sampling.configure(rate)
    requests, failures, seeded = 6_000, 0, random.Random(4)
    for _ in range(requests):
        fails = seeded.random() < 0.05
        failures += fails
        service.request({}, fails=fails)
    weights = [1 / float(dict(span.attributes or {})[sampling.ATTRIBUTE]) for span in service.spans()]  # type: ignore[arg-type]
    failed = [span for span in service.spans() if span.status.status_code is StatusCode.ERROR]
    assert len(failed) == failures
    deviation = math.sqrt((requests - failures) * (1 - rate) / rate)
    assert abs(sum(weights) - requests) < 5 * deviation
    assert len(weights) < requests * rate + failures + 5 * math.sqrt(requests)


@pytest.mark.parametrize("flag", ["00", "01"])
def test_a_caller_from_outside_draws_nothing(flag: str) -> None:
    sampling.configure(0.5)
    try:
        header = [(b"traceparent", f"{CALLER}-{flag}".encode())]
        assert {edge.carrier(header)["traceparent"] for _ in range(200)} == {f"{CALLER}-00", f"{CALLER}-01"}
    finally:
        sampling.configure(1.0)


def test_an_environment_has_its_rate() -> None:
    assert sampling.RATES == {"staging": 0.5, "production": 0.1}
    for rate in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="from 0 to 1"):
            sampling.configure(rate)
    assert sampling.drawn()
