"""Traces, errors, sessions, logs and profiles of a process: how the SDKs are put together.

OpenTelemetry is the only tracer. The Sentry SDK takes errors, logs, sessions and profiles, and reads the trace and span
of an error, a log or a session from OpenTelemetry; both families of headers go over the wire, so that either kind of
neighbour can join.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Self

import sentry_sdk
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagate import set_global_textmap
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from sentry_sdk.integrations.atexit import AtexitIntegration
from sentry_sdk.integrations.dedupe import DedupeIntegration
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.integrations.logging import LoggingIntegration, ignore_logger
from sentry_sdk.integrations.otlp import OTLPIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration
from sentry_sdk.profiler import continuous_profiler
from sentry_sdk.utils import BadDsn, Dsn

from reelback_telemetry import counts, errors, logs, sampling, scrubbing
from reelback_telemetry.consent import ConsentHeader
from reelback_telemetry.exporter import TIMEOUT_SECONDS, SentryExporter
from reelback_telemetry.propagation import SentryHeaders

SPAN_DELAY_MS = 250
"""How long spans wait for others: a verdict cannot come before the spans that it rests on."""

CLOSE_SECONDS = 2.0
"""How long the last spans, errors and sessions each have at the end."""

SESSION_SECONDS = 10
"""How often sessions are sent; the SDK's own minute is long beside a rollout of seconds."""

PROFILE_SECONDS = 20
"""What a chunk of a profile spans, for the same reason."""

PROFILE_HERTZ = 29
"""How often stacks are looked at. The SDK's own 101 times a second take a sixth of what a busy service does."""

_BACKEND_LOGGERS = (
    "librdkafka",
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    "opentelemetry.sdk._shared_internal",
    "reelback_telemetry.exporter",
    "urllib3.connectionpool",
)


class Telemetry:
    """What `start` has started; `close` (or the end of `with`) sends what is left, and gives up after a few seconds."""

    def __init__(self, provider: TracerProvider | None) -> None:
        self._provider = provider

    def close(self) -> None:
        """Flush spans, errors, logs, metrics, sessions and the profile."""
        if self._provider is None:
            return
        counts.flush()
        # The provider itself would wait half a minute for a backend that is away.
        for end in (continuous_profiler.stop_profiler, self._provider.shutdown):
            last = threading.Thread(target=end, daemon=True)
            last.start()
            last.join(CLOSE_SECONDS)
        sentry_sdk.get_client().close(timeout=CLOSE_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def start(
    service: str,
    *,
    release: str = "",
    environment: str = "local",
    dsn: str = "",
    otlp_endpoint: str = "",
    in_app: Sequence[str] = (),
    sample_rate: float | None = None,
    profile_rate: float | None = 0.0,
    log_level: str = "INFO",
    enabled: bool = True,
) -> Telemetry:
    """Start logs, traces and errors of this process; once a process, before anything is served.

    `dsn` is where errors and sessions go, and spans too unless `otlp_endpoint` names a collector; without both nothing
    is sent. `in_app` are the packages whose frames are the service's own. `sample_rate` is the share of traces that is
    sent beside all failures, by default what `sampling.RATES` says of the environment. `profile_rate` is the share of
    processes that are profiled all the time, which costs each of them CPU: none by default, and for None what
    `sampling.PROFILE_RATES` says. Not `enabled`: there is neither a span nor an error to send, only logs. ValueError
    for a DSN or a rate that is none.
    """
    if dsn:
        try:
            Dsn(dsn)
        except BadDsn as error:
            raise ValueError(f"dsn: {error}") from None
    release = release or f"{service}@0.0.0"
    logs.configure(service, release, log_level, quiet=_BACKEND_LOGGERS)
    if not enabled:
        return Telemetry(None)
    resource = {"service.name": service, "service.version": release, "deployment.environment.name": environment}
    sampling.configure(sampling.RATES.get(environment, 1.0) if sample_rate is None else sample_rate)
    # Sentry reads both from the span, not from the resource.
    marks = {"sentry.release": release, "sentry.environment": environment}
    provider = TracerProvider(sampler=sampling.DrawnTraces(marks), resource=Resource.create(resource))
    if exporter := _exporter(dsn, otlp_endpoint):
        batches = BatchSpanProcessor(exporter, max_queue_size=4096, schedule_delay_millis=SPAN_DELAY_MS)
        provider.add_span_processor(sampling.KeptSpans(batches))
    trace.set_tracer_provider(provider)
    _start_sentry(dsn, release, environment, in_app, sampling.profile_rate(environment, profile_rate))
    # The last of the first two wins when a caller sends both: traceparent also has the state of other people's tracers.
    set_global_textmap(CompositePropagator([SentryHeaders(), TraceContextTextMapPropagator(), ConsentHeader()]))
    return Telemetry(provider)


def flush() -> None:
    """Send what there is, and give up after a few seconds. Blocks: on an event loop, in a thread."""
    counts.flush()
    provider = trace.get_tracer_provider()
    if isinstance(provider, TracerProvider):
        provider.force_flush(int(1000 * CLOSE_SECONDS))
    sentry_sdk.flush(timeout=CLOSE_SECONDS)


def _exporter(dsn: str, otlp_endpoint: str) -> SpanExporter | None:
    """Where spans go: a collector if one is named, which may want what OTEL_EXPORTER_OTLP_* say; else by the DSN."""
    if otlp_endpoint:
        return OTLPSpanExporter(endpoint=otlp_endpoint, timeout=TIMEOUT_SECONDS)
    return SentryExporter(dsn) if dsn else None


def _start_sentry(dsn: str, release: str, environment: str, in_app: Sequence[str], profile_rate: float) -> None:
    continuous_profiler.PROFILE_BUFFER_SECONDS = PROFILE_SECONDS
    continuous_profiler.DEFAULT_SAMPLING_FREQUENCY = PROFILE_HERTZ  # type: ignore[attr-defined]  # imported there
    sentry_sdk.init(
        dsn=dsn or None,
        release=release,
        environment=environment,
        # The list is ours: the SDK's own would import every library it knows, and instrument some of them twice.
        default_integrations=False,
        integrations=[
            AtexitIntegration(callback=lambda *_: None),
            DedupeIntegration(),
            ExcepthookIntegration(),
            LoggingIntegration(capture_sentry_logs=True),
            OTLPIntegration(setup_otlp_traces_exporter=False, setup_propagator=False, capture_exceptions=False),
            ThreadingIntegration(),
        ],
        # Among all else that a request carries, the variables of a frame would show passwords and addresses.
        data_collection={"user_info": False, "http_bodies": [], "stack_frame_variables": False},
        before_send=lambda event, _: scrubbing.tree(errors.completed(event)),
        before_send_log=lambda log, _: scrubbing.tree(log),
        before_send_metric=lambda metric, _: scrubbing.tree(metric),
        in_app_include=[*in_app],
        in_app_exclude=["reelback_common", "reelback_telemetry"],
        profile_session_sample_rate=profile_rate,
    )
    continuous_profiler.start_profiler()  # which draws whether this process is one of those
    client = sentry_sdk.get_client()
    if isinstance(client, sentry_sdk.Client):
        client.session_flusher.flush_interval = SESSION_SECONDS
    # What these log has been sent as an event already, with its trace, or says that nothing can be sent. The SDK would
    # drop a second event by itself, but report a loss that is none.
    for name in (
        "reelback_telemetry.request",
        "reelback_telemetry.threads",
        "grpc._cython.cygrpc",
        "uvicorn.error",
        *_BACKEND_LOGGERS,
    ):
        ignore_logger(name)
