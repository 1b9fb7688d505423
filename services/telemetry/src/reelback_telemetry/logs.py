"""Logs: one JSON object a line on stdout, with the trace they belong to, without secrets and personal data."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterable
from datetime import UTC, datetime

import orjson
from opentelemetry import trace

from reelback_telemetry import scrubbing
from reelback_telemetry.seldom import Seldom

_threads = logging.getLogger("reelback_telemetry.threads")


class JsonFormatter(logging.Formatter):
    """A record as one line: time (UTC, RFC 3339), level, logger, message, trace_id, span_id, service, release."""

    def __init__(self, service: str, release: str) -> None:
        super().__init__()
        self._process = {"service": service, "release": release}

    def format(self, record: logging.LogRecord) -> str:
        """The JSON text; the traceback of an exception is in `exception`."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": scrubbing.text(record.getMessage()),
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = trace.format_trace_id(context.trace_id)
            line["span_id"] = trace.format_span_id(context.span_id)
        line |= self._process
        if record.exc_info:
            line["exception"] = scrubbing.text(self.formatException(record.exc_info))
        return orjson.dumps(line).decode()


def _thread_failed(failed: threading.ExceptHookArgs) -> None:
    """A line like any other, instead of a traceback on stderr; its event has been sent."""
    if failed.exc_value is not None:
        name = failed.thread.name if failed.thread else "a thread"
        _threads.error("%s failed", name, exc_info=(failed.exc_type, failed.exc_value, failed.exc_traceback))


def configure(service: str, release: str, level: str, quiet: Iterable[str]) -> None:
    """Send every record of this process to stdout, as JSON; of the loggers `quiet` one record a minute."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service, release))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
    # A backend that is away says so, but does not fill the disk.
    minutely = Seldom(60)
    for name in quiet:
        logging.getLogger(name).addFilter(lambda record: minutely.passes(record.name))
    threading.excepthook = _thread_failed
    # An exception of a handler has been logged with its trace; gRPC would repeat it without.
    logging.getLogger("grpc._cython.cygrpc").addFilter(lambda record: not record.exc_info)
