"""What has arrived: the newest messages, in memory, and what a person wants to read of them. No I/O."""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage, Message

KEPT = 500
"""How many messages are kept; older ones are forgotten."""

KEPT_BYTES = 32 * 1024 * 1024
"""And how many bytes of them: 500 of the largest would not fit."""


@dataclass(frozen=True, slots=True)
class Mail:
    """A message as it came. `sender` and `recipients` are those of the envelope; `received_at` is UTC."""

    id: str
    sender: str
    recipients: tuple[str, ...]
    received_at: datetime
    subject: str
    message_id: str
    raw: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """The readable parts of a message; empty where it has none."""

    text: str
    html: str


class Inbox:
    """The newest messages; it forgets the oldest when there are more than KEPT, or more bytes than KEPT_BYTES."""

    def __init__(self) -> None:
        self._mails: deque[Mail] = deque()
        self._bytes = 0

    def add(self, sender: str, recipients: Sequence[str], raw: bytes) -> None:
        """Keep a message."""
        headers = message_from_bytes(raw.partition(b"\r\n\r\n")[0], policy=policy.default)
        mail = Mail(
            id=secrets.token_hex(8),
            sender=_printable(sender),
            recipients=tuple(_printable(recipient) for recipient in recipients),
            received_at=datetime.now(UTC),
            subject=_header(headers, "subject"),
            message_id=_header(headers, "message-id"),
            raw=raw,
        )
        self._mails.append(mail)
        self._bytes += len(raw)
        while len(self._mails) > KEPT or self._bytes > KEPT_BYTES:
            self._bytes -= len(self._mails.popleft().raw)

    def newest(self) -> list[Mail]:
        """All that is kept, the newest first."""
        return list(reversed(self._mails))

    def find(self, mail_id: str) -> Mail | None:
        """One message; None when it is not there, or not any more."""
        return next((mail for mail in self._mails if mail.id == mail_id), None)

    def clear(self) -> None:
        """Forget everything."""
        self._mails.clear()
        self._bytes = 0


def body(raw: bytes) -> Body:
    """The parts of a message that can be read. Takes time for a large one."""
    message = message_from_bytes(raw, _class=EmailMessage, policy=policy.default)
    return Body(_part(message, "plain"), _part(message, "html"))


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    payload = part.get_payload(decode=True) if part else None
    if part is None or not isinstance(payload, bytes):
        return ""
    try:
        text = payload.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:  # a character set nobody knows
        text = payload.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")


def _header(message: Message, name: str) -> str:
    try:
        return _printable(str(message.get(name, "")))
    except Exception:  # the standard library's parser raises this and that for headers that were made to break it
        return ""


def _printable(text: str) -> str:
    """Text that can be written as UTF-8: bytes that were none have become lone surrogates on the way."""
    return text.encode("utf-8", "replace").decode()
