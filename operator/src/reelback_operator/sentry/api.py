"""Requests to Sentry's API, one at a time, and what of an answer can be relied on."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import httpx2

# For one request, and for one with its turn in the queue.
REQUEST_SECONDS = 10.0
CALL_SECONDS = 20.0
# The longest that a Retry-After is believed.
MAX_PAUSE = 300.0
STRANGE = "Sentry's answer has not the shape that its API promises"

Parameters = Mapping[str, str | Sequence[str]]


class SentryError(Exception):
    """Sentry did not answer, or not with what was asked for. The message is one line; `status` is that of HTTP."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Api:
    """One organization of one Sentry. One request is in flight."""

    def __init__(self, url: str, organization: str, token: str) -> None:
        """`url` without a path: http://host:8090."""
        self._http = httpx2.AsyncClient(
            base_url=f"{url.rstrip('/')}/api/0/organizations/{organization}/",
            headers={"Authorization": f"Bearer {token}"},
            timeout=REQUEST_SECONDS,
        )
        self._turn = asyncio.Lock()
        self._closed_until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def call(
        self,
        method: str,
        path: str,
        parameters: Parameters | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> Any:
        """The JSON of an answer. Raises SentryError, at once while Sentry's rate limit lasts."""
        try:
            async with asyncio.timeout(CALL_SECONDS), self._turn:
                pause = self._closed_until - time.monotonic()
                if pause > 0:
                    raise SentryError(f"Sentry limits the rate of requests, for {pause:.0f} s more", 429)
                try:
                    response = await self._http.request(method, path, params=parameters, json=json)
                except (httpx2.ReadError, httpx2.RemoteProtocolError):
                    # Most likely a kept connection that the other side has closed: what only asks may ask again.
                    if method != "GET":
                        raise
                    response = await self._http.request(method, path, params=parameters)
                if response.is_success:
                    return response.json()
                if response.status_code == 429:
                    self._closed_until = time.monotonic() + _pause(response.headers)
                raise SentryError(_refusal(response), response.status_code)
        except (TimeoutError, httpx2.TimeoutException):
            raise SentryError(f"Sentry did not answer within {REQUEST_SECONDS:.0f} s ({path})") from None
        except httpx2.HTTPError as error:
            raise SentryError(f"Sentry cannot be reached: {str(error) or type(error).__name__}") from None
        except ValueError:
            raise SentryError(f"Sentry's answer is not JSON ({path})") from None


def _refusal(response: httpx2.Response) -> str:
    """One line on an answer that is not a success."""
    try:
        detail = response.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = response.reason_phrase
    status = response.status_code
    if status in (401, 403):
        return f"Sentry refuses the token ({status}): {detail}"
    if status == 429:
        return f"Sentry limits the rate of requests (429), for {_pause(response.headers):.0f} s"
    return f"Sentry answers {status} to {response.request.method} {response.request.url.path}: {detail}"


def _pause(headers: Mapping[str, str]) -> float:
    """Seconds until Sentry takes requests again, by the headers of a 429."""
    after = headers.get("Retry-After", "")
    reset = headers.get("X-Sentry-Rate-Limit-Reset", "")
    if after.isdigit():
        return min(float(after), MAX_PAUSE)
    return min(max(float(reset) - time.time(), 1.0), MAX_PAUSE) if reset.isdigit() else 1.0


def rows(answer: Any, key: str | None = None) -> list[dict[str, Any]]:
    """The rows of an answer, which is a list or holds one under `key`."""
    rows = answer.get(key) if key and isinstance(answer, dict) else answer
    if not isinstance(rows, list):
        raise SentryError(STRANGE)
    return rows


def number(row: Mapping[str, Any], field: str) -> float:
    """A finite figure of an answer: one that is missing, null or NaN is no figure. SentryError."""
    value = row.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise SentryError(f"Sentry has no figure for {field}: {value!r}")
    return float(value)


def whole(row: Mapping[str, Any], field: str) -> int:
    """A count of an answer. SentryError."""
    value = number(row, field)
    if value < 0:
        raise SentryError(f"Sentry counts {value:g} for {field}")
    return round(value)


def quoted(value: str) -> str:
    """A value in a query, taken as it is: no wildcard, no end of the text."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("*", "\\*")
    return f'"{escaped}"'


def any_of(values: Sequence[str]) -> str:
    """A list of values in a query."""
    return f"[{','.join(map(quoted, values))}]"


def iso(moment: datetime) -> str:
    """A time as Sentry takes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def parsed(value: str) -> datetime:
    """A time as Sentry tells it."""
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
