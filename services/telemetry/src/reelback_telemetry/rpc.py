"""What client and server have in common: the attributes of a call, and which answers are failures."""

from __future__ import annotations

import grpc
from opentelemetry.trace import Span, Status, StatusCode

SERVER_FAILURES = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
"""What a server answers for when it fails; any other answer is the caller's mistake, or what the caller asked for."""


def attributes(path: str) -> dict[str, str]:
    """The attributes of a call to `/package.Service/Method`."""
    service, _, method = path.lstrip("/").partition("/")
    return {"rpc.system": "grpc", "rpc.service": service, "rpc.method": method}


def set_status(span: Span, code: grpc.StatusCode, *, failed: bool) -> None:
    """Put the outcome of a call on its span."""
    span.set_attribute("rpc.grpc.status_code", code.value[0])
    if failed:
        span.set_status(Status(StatusCode.ERROR, code.name))
