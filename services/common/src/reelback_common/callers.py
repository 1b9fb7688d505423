"""Methods that only some callers may use: they send a token that the others do not have.

A network policy keeps strangers away from a port, not one service from another's methods.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc
from reelback_telemetry import security

from reelback_common import refusals

TOKEN = "reelback-caller-token"  # noqa: S105 - the metadata's name
Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


class Callers(grpc.aio.ServerInterceptor):
    """Asks for tokens by method, `reelback.v1.Payment/Payout`; they must be unary. The others are for everybody."""

    def __init__(self, tokens: Mapping[str, str]) -> None:
        self._tokens = tokens

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The handler of the method, which refuses callers without the token: PERMISSION_DENIED."""
        handler = await continuation(handler_call_details)
        token = self._tokens.get(handler_call_details.method.lstrip("/"))
        if handler is None or token is None:
            return handler
        behaviour: Any = handler.unary_unary

        async def checked(request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            sent = dict(context.invocation_metadata() or ()).get(TOKEN, "")
            if not hmac.compare_digest(str(sent).encode(), token.encode()):
                security.report("caller", "a call without the token that it needs was refused")
                await context.abort(
                    grpc.StatusCode.PERMISSION_DENIED, "this caller may not do that", ((refusals.MARK, "1"),)
                )
            return await behaviour(request, context)

        return grpc.unary_unary_rpc_method_handler(checked, handler.request_deserializer, handler.response_serializer)
