"""Webhooks, signed as the Standard Webhooks specification says.

Each request carries `webhook-id` (the message's id: the same for each attempt, so that a receiver can drop what it
has), `webhook-timestamp` (seconds since 1970) and `webhook-signature`: `v1,` and the base64 of the HMAC-SHA256 over
`{id}.{timestamp}.{body}`, whose key is the bytes of WEBHOOK_SECRET.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from typing import Annotated

import httpx2
import orjson
from pydantic import AfterValidator

from reelback_notification.failures import Refused, Unreachable

TIMEOUT = 5.0
"""Seconds a receiver has to take a connection, and to answer."""


def _url(value: str) -> str:
    url = httpx2.URL(value)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("not an HTTP URL")
    return value


WebhookUrl = Annotated[str, AfterValidator(lambda value: value and _url(value))]
"""For settings: an HTTP URL, or empty."""


class Webhook:
    """Where messages of a channel are posted to."""

    def __init__(self, http: httpx2.AsyncClient, url: str, secret: str) -> None:
        self._http = http
        self._url = url
        self._secret = secret.encode()

    async def post(self, message_id: str, content: Mapping[str, str]) -> None:
        """Post `content` as JSON. Raises Refused or Unreachable."""
        body = orjson.dumps(content)
        headers = {"content-type": "application/json", **signed(self._secret, message_id, int(time.time()), body)}
        try:
            answer = await self._http.post(self._url, content=body, headers=headers)
        except httpx2.RequestError as error:
            raise Unreachable(type(error).__name__) from error
        if answer.is_success:
            return
        if answer.is_server_error or answer.status_code in (408, 429):
            raise Unreachable(f"HTTP {answer.status_code}")
        raise Refused(f"HTTP {answer.status_code}")


def signed(secret: bytes, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The headers of a request."""
    content = f"{message_id}.{timestamp}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return {"webhook-id": message_id, "webhook-timestamp": str(timestamp), "webhook-signature": f"v1,{signature}"}
