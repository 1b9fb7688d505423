"""Errors as problem details (RFC 9457), each with the trace in which it happened."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import grpc
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from grpc import StatusCode
from reelback_common import refusals
from reelback_telemetry.context import trace_id
from starlette.exceptions import HTTPException

HTTP_STATUS: Mapping[StatusCode, int] = {
    StatusCode.CANCELLED: 503,
    StatusCode.UNKNOWN: 500,
    StatusCode.INVALID_ARGUMENT: 422,
    StatusCode.DEADLINE_EXCEEDED: 504,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 409,
    StatusCode.ABORTED: 409,
    StatusCode.OUT_OF_RANGE: 422,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DATA_LOSS: 500,
}
"""What a service's answer becomes for the gateway's callers."""

RETRY_AFTER = 1
"""Seconds after which a 503, or a 429 without a time of its own, is worth another try."""


class Problem(HTTPException):
    """An error as its receiver sees it; `code` tells apart what has one status."""

    def __init__(
        self, status: int, detail: str, code: str = "", headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self._members = {"code": code, **members} if code else members

    def body(self) -> dict[str, Any]:
        """The JSON object."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status_code).phrase,
            "status": self.status_code,
            "detail": self.detail,
            **self._members,
            "trace_id": trace_id(),
        }

    def response(self) -> JSONResponse:
        """The HTTP response."""
        return JSONResponse(self.body(), self.status_code, self.headers, media_type="application/problem+json")


def of_call(error: grpc.aio.AioRpcError) -> Problem:
    """The problem that a service's answer is. Only what a service says on purpose, as a refusal, is passed on."""
    code = error.code()
    refusal = dict(refusals.metadata(error))
    if code is StatusCode.RESOURCE_EXHAUSTED and not refusal:  # gRPC's own limits, which no caller has reached
        code = StatusCode.INTERNAL
    status = HTTP_STATUS[code]
    wait = refusal.get(refusals.RETRY_AFTER, str(RETRY_AFTER) if status in (429, 503) else "")
    headers = {"Retry-After": wait} if wait else None
    if status < 500:
        detail = (error.details() if refusal else "") or HTTPStatus(status).phrase
    elif status == 503:
        detail = "a service does not answer just now, try again"
    elif status == 504:
        detail = "a service took too long; sent again with the same request_id, nothing happens twice"
    else:
        detail = "a service failed; sent again with the same request_id, nothing happens twice"
    return Problem(status, detail, code.name.lower().replace("_", "-"), headers)


def of_validation(errors: list[Any]) -> Problem:
    """The problem of a request that does not fit its schema: which fields, and why; never what they held."""
    listed = [{"field": _field(error["loc"]), "message": error["msg"]} for error in errors]
    detail = "; ".join(f"{error['field']}: {error['message']}" for error in listed)
    return Problem(422, detail, "invalid-argument", errors=listed)


def install(app: FastAPI) -> None:
    """Let every error of the application be a problem."""

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        problem = (
            error if isinstance(error, Problem) else Problem(error.status_code, error.detail, headers=error.headers)
        )
        return problem.response()

    @app.exception_handler(RequestValidationError)
    async def validation(_: Request, error: RequestValidationError) -> JSONResponse:
        return of_validation(list(error.errors())).response()

    @app.exception_handler(grpc.aio.AioRpcError)
    async def call(_: Request, error: grpc.aio.AioRpcError) -> JSONResponse:
        return of_call(error).response()

    @app.exception_handler(Exception)
    async def failure(_: Request, error: Exception) -> JSONResponse:
        return unexpected().response()


def unexpected() -> Problem:
    """The problem of a failure in the gateway itself."""
    return Problem(500, "the gateway failed; the trace_id says where to look")


def _field(location: tuple[str | int, ...]) -> str:
    """`body.amount` as `amount`: where a field is, callers know."""
    inner = location[1:] if location and location[0] in ("body", "query", "path", "header") else location
    return ".".join(str(part) for part in inner) or "body"
