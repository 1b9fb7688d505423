"""Logs: one JSON object a line on stdout, with the trace they belong to, without secrets and personal data."""

from __future__ import annotations

import logging
import re
import sys
import time
from datetime import UTC, datetime

import orjson
from opentelemetry import trace

_SECRETS = (
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"), "[scrubbed]"),  # credentials in a URL
    (re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]*"), "[scrubbed]"),  # a JWT
    (re.compile(r"(?i)(\b(?:authorization|bearer|password|passwd|secret|token|api[_-]?key)\b[\"']?\s*[:= ]\s*)"
                r"(?:bearer\s+)?[\"']?[^\s\"',;})]+"), r"\1[scrubbed]"),
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"), "[email]"),
)  # fmt: skip


def scrub(text: str) -> str:
    """The text without credentials, tokens and email addresses."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


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
            "message": scrub(record.getMessage()),
        }
        context = trace.get_current_span().get_span_context()
        if context.is_valid:
            line["trace_id"] = trace.format_trace_id(context.trace_id)
            line["span_id"] = trace.format_span_id(context.span_id)
        line |= self._process
        if record.exc_info:
            line["exception"] = scrub(self.formatException(record.exc_info))
        return orjson.dumps(line).decode()


class OncePerMinute(logging.Filter):
    """Lets one record a minute of a logger pass: a backend that is away says so, but does not fill the disk."""

    def __init__(self) -> None:
        super().__init__()
        self._next = 0.0

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record passes."""
        if (now := time.monotonic()) < self._next:
            return False
        self._next = now + 60
        return True


def configure(service: str, release: str, level: str) -> None:
    """Send every record of this process to stdout, as JSON."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(JsonFormatter(service, release))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(True)
