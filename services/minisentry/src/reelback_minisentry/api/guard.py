"""What every call of the API has in common: the bearer token, JSON in and out, errors as Sentry words them."""

from __future__ import annotations

import hmac
from typing import Any

from pydantic import ValidationError
from redis.exceptions import RedisError
from starlette.requests import Request
from starlette.responses import Response

from reelback_minisentry.query.search import BadQuery
from reelback_minisentry.responses import Call, answer
from reelback_minisentry.store.reader import Gone
from reelback_minisentry.untrusted import Rejected, json_object

MAX_BODY = 1024 * 1024


def not_found() -> Rejected:
    """What to raise for what does not exist."""
    return Rejected(404, "The requested resource does not exist")


def base(request: Request) -> str:
    """This server's own address, as the caller knows it."""
    return str(request.base_url).rstrip("/")


def guarded(call: Call, token: str) -> Call:
    """The call behind the token: 401 without it; 400, 404 and 503 for what the call raises."""

    async def endpoint(request: Request) -> Response:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return answer({"detail": "Authentication credentials were not provided."}, 401)
        if not hmac.compare_digest(given.strip().encode(), token.encode()):
            return answer({"detail": "Invalid token"}, 401)
        problem: dict[str, object]
        try:
            return await call(request)
        except BadQuery as error:
            status, problem = 400, {"detail": str(error)}
        except Rejected as error:
            status, problem = error.status, {"detail": error.detail}
        except ValidationError as error:
            found = error.errors(include_url=False)
            status, problem = 400, {str(e["loc"][0]): [e["msg"]] for e in found}
        except Gone as error:
            status, problem = 503, {"detail": str(error)}
        except (RedisError, OSError, TimeoutError):
            status, problem = 503, {"detail": "The store does not answer."}
        return answer(problem, status)

    return endpoint


async def body(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises Rejected."""
    return json_object(await raw_body(request, MAX_BODY), "body")


async def raw_body(request: Request, limit: int) -> bytes:
    """The body of a request as it came, of at most `limit` bytes. Raises Rejected."""
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > limit:
            raise Rejected(413, f"the body has more than {limit} bytes")
    return bytes(raw)
