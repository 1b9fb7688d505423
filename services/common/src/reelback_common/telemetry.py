"""Telemetry of a service of this stack: the library's, the metrics server, and the faults that are on."""

from __future__ import annotations

from reelback_telemetry import sdk

from reelback_common import faults, metrics
from reelback_common.settings import ServiceSettings


def start(service: str, settings: ServiceSettings) -> sdk.Telemetry:
    """Start logs, traces, errors and the metrics server of this process; once a process.

    Without a DSN and an OTLP endpoint nothing is sent; with OTEL_SDK_DISABLED there is neither a span nor an error to
    send, only logs and the metrics server. A metrics port in use ends the process with one line.
    """
    faults.configure(settings.reelback_faults)
    telemetry = sdk.start(
        service,
        release=settings.sentry_release,
        environment=settings.sentry_environment,
        dsn=settings.sentry_dsn,
        otlp_endpoint=settings.otlp_endpoint,
        in_app=[f"reelback_{service}"],
        sample_rate=settings.traces_sample_rate,
        profile_rate=None if settings.profiles else 0.0,
        log_level=settings.log_level,
        enabled=not settings.otel_sdk_disabled,
    )
    try:
        metrics.serve(settings.host, settings.metrics_port)
    except OSError as error:
        raise SystemExit(f"METRICS_PORT {settings.metrics_port}: {error.strerror or error}") from None
    return telemetry
