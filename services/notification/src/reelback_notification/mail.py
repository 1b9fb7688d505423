"""Mail over SMTP.

Delivery is at least once: after a crash, or an answer that got lost, a mail may go out twice. Its Message-ID is made
from the message's id and is the same each time, so that the second can be told.
"""

from __future__ import annotations

import hashlib
import re
import socket
from email.message import EmailMessage
from email.utils import formatdate, parseaddr
from typing import Annotated
from urllib.parse import unquote, urlsplit

from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPRecipientsRefused, SMTPResponseException
from pydantic import AfterValidator

from reelback_notification.failures import Deferred, Refused, Unreachable
from reelback_notification.texts import Text

TIMEOUT = 5.0
"""Seconds the server has for each answer."""

# Without comments, quotes, groups and encoded words (=?utf-8?q?...?=): an address with them reads as another one.
_PLAIN = re.compile(r"[^\s()<>\[\]\\,;:\"?@]+@[^\s()<>\[\]\\,;:\"?@]+")
_PORTS = {"smtp": 587, "smtps": 465}


def _server(url: str) -> SMTP:
    """A client for `smtp[s]://[user:password@]host[:port]`. ValueError for another URL."""
    parts = urlsplit(url)
    if parts.scheme not in _PORTS or not parts.hostname or parts.path.strip("/"):
        raise ValueError("not smtp://[user:password@]host:port, or smtps://")
    implicit = parts.scheme == "smtps"
    return SMTP(
        hostname=parts.hostname,
        port=parts.port or _PORTS[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        use_tls=implicit,
        # A password never goes over a line that others can read; without one, TLS is used when it is offered.
        start_tls=True if parts.username and not implicit else None,
        local_hostname=socket.gethostname(),
        timeout=TIMEOUT,
    )


def _url(value: str) -> str:
    _server(value)
    return value


def _mailbox(value: str) -> str:
    address = parseaddr(value)[1]
    if "@" not in address:
        raise ValueError("not an address like Reelback <no-reply@example.com>")
    return value


SmtpUrl = Annotated[str, AfterValidator(_url)]
"""For settings: smtp://, with STARTTLS when it is offered, or smtps://."""

MailFrom = Annotated[str, AfterValidator(_mailbox)]
"""For settings: an address, with or without a name."""


class Mailer:
    """Sends mail from one address over one connection, which is opened when it is needed. One mail at a time."""

    def __init__(self, url: str, sender: str) -> None:
        self._url = url
        self._sender = sender
        self._domain = parseaddr(sender)[1].rpartition("@")[2]
        self._connection: SMTP | None = None

    async def send(self, message_id: str, recipient: str, text: Text) -> None:
        """Hand a mail over. Raises Refused, Deferred or Unreachable."""
        mail = self._mail(message_id, recipient, text)
        try:
            await (await self._connected()).send_message(mail)
        except SMTPRecipientsRefused as error:
            raise _judged(error.recipients[0].code) from error
        except SMTPDataError as error:
            raise _judged(error.code) from error
        except BaseException as error:  # the dialogue has broken off, and be it that this is cancelled
            self._drop()
            if isinstance(error, SMTPResponseException):  # about the connection, the password or the sender
                raise Unreachable(f"SMTP {error.code}") from error
            if isinstance(error, (SMTPException, OSError)):
                raise Unreachable(type(error).__name__) from error
            raise

    async def _connected(self) -> SMTP:
        if self._connection is None:
            self._connection = _server(self._url)
            try:
                await self._connection.connect()
            except SMTPResponseException:
                raise
            except (SMTPException, OSError) as error:  # no mail was spoken of: the text has no address in it
                raise Unreachable(f"no connection: {error}") from error
        return self._connection

    async def close(self) -> None:
        """Say goodbye, if there is a connection."""
        if self._connection is None:
            return
        try:
            await self._connection.quit()
        except (SMTPException, OSError):
            self._drop()
        self._connection = None

    def _drop(self) -> None:
        if self._connection:
            self._connection.close()
            self._connection = None

    def _mail(self, message_id: str, recipient: str, text: Text) -> EmailMessage:
        if not _PLAIN.fullmatch(recipient):
            raise Refused("the address is none")
        mail = EmailMessage()
        try:
            mail["From"], mail["To"], mail["Subject"] = self._sender, recipient, text.subject
        except ValueError as error:
            raise Refused("the address is none") from error
        mail["Date"] = formatdate()
        mail["Message-ID"] = f"<{hashlib.sha256(message_id.encode()).hexdigest()[:40]}@{self._domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(text.text)
        mail.add_alternative(text.html, subtype="html")
        return mail


def _judged(code: int) -> Exception:
    """What an answer to a recipient or to a mail means."""
    if code == 421:  # the server is about to close the connection
        return Unreachable(f"SMTP {code}")
    return Refused(f"SMTP {code}") if code >= 500 else Deferred(f"SMTP {code}")
