"""The routes that messages take: where their addresses come from, and who carries them.

Addresses are looked up when a message is sent, and kept nowhere: mail goes to what the user service says, text
messages to the number in the preferences, and a push provider knows its devices by the player's id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

import grpc
from reelback.v1 import user_pb2
from reelback_common.verification import email_code

from reelback_notification.failures import Deferred, Later, Refused, Unverified
from reelback_notification.mail import Mailer
from reelback_notification.messages import Message, Template
from reelback_notification.store import Store
from reelback_notification.texts import Text, render
from reelback_notification.webhooks import Webhook

if TYPE_CHECKING:
    from reelback.v1.user_pb2_grpc import UserAsyncStub

QUIET = timedelta(minutes=1)
"""Staff hear of a rule at most once in so long."""


class Route(Protocol):
    """Carries messages of one channel, one delivery at a time."""

    batch: int
    """How many messages are best taken at once."""

    async def deliver(self, group: Sequence[Message]) -> None:
        """Hand a group of messages over as one. Raises Refused, Deferred, Unreachable or Later."""

    async def rest(self) -> None:
        """There is nothing more to be delivered for now."""


@dataclass(frozen=True, slots=True)
class Email:
    """To a player's address: none but the first mail until the code in that has come back. `secret` makes the code."""

    mailer: Mailer
    user: UserAsyncStub
    secret: str
    batch = 50

    async def deliver(self, group: Sequence[Message]) -> None:
        """Ask for the address, and send."""
        (message,) = group
        try:
            profile = await self.user.GetProfile(user_pb2.GetProfileRequest(player_id=message.player_id))
        except grpc.aio.AioRpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                raise Refused("the player is not known") from error
            raise Deferred(f"user: {error.code().name}") from error
        facts = message.facts
        if message.template is Template.WELCOME:
            facts = {**facts, "code": email_code(self.secret, profile.player_id, profile.email)}
        elif not profile.email_verified:
            raise Unverified("the address is not verified")
        text = render(message.template, facts, profile.display_name)
        await self.mailer.send(message.id, profile.email, text)

    async def rest(self) -> None:
        """Nobody is kept waiting with an open connection."""
        await self.mailer.close()


@dataclass(frozen=True, slots=True)
class Sms:
    """To a player's phone number, through a provider's webhook: {message_id, to, text}."""

    webhook: Webhook
    store: Store
    batch = 50

    async def deliver(self, group: Sequence[Message]) -> None:
        """Look up the number, and post."""
        (message,) = group
        phone = (await self.store.preferences(message.player_id)).phone
        if not phone:
            raise Refused("the player has no phone number any more")
        text = f"Reelback: {_subject(message)}"
        await self.webhook.post(message.id, {"message_id": message.id, "to": phone, "text": text})

    async def rest(self) -> None:
        """The connection is the client's."""


@dataclass(frozen=True, slots=True)
class Push:
    """To a player's devices, through a provider's webhook: {message_id, player_id, title, text}."""

    webhook: Webhook
    batch = 50

    async def deliver(self, group: Sequence[Message]) -> None:
        """Post."""
        (message,) = group
        content = {
            "message_id": message.id,
            "player_id": message.player_id,
            "title": "Reelback",
            "text": _subject(message),
        }
        await self.webhook.post(message.id, content)

    async def rest(self) -> None:
        """The connection is the client's."""


@dataclass(frozen=True, slots=True)
class Alerts:
    """To staff, as Slack's incoming webhooks take it: {text}. All alerts of a rule that have gathered are one."""

    webhook: Webhook
    store: Store
    quiet: timedelta = QUIET
    batch = 1000

    async def deliver(self, group: Sequence[Message]) -> None:
        """Post the newest with the number of all, or wait until it is time."""
        now = datetime.now(UTC)
        if (speak_at := await self.store.reserve(f"rule:{group[0].group}", now, self.quiet)) > now:
            raise Later(speak_at)
        await self.webhook.post(group[-1].id, {"text": alert_text(group)})

    async def rest(self) -> None:
        """The connection is the client's."""


def alert_text(group: Sequence[Message]) -> str:
    """What staff read, in Slack's markup."""
    facts = group[-1].facts
    player = f" (player {facts['player']})" if facts["player"] else ""
    more = f"\n{len(group)} alerts of this rule since it was last told of; this is the newest." if group[1:] else ""
    text = f"{str(facts['severity']).upper()} {facts['rule']}: {facts['detail']}{player}{more}"
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _subject(message: Message) -> str:
    text: Text = render(message.template, message.facts, name="")
    return text.subject
