"""The routes of what players are sent: over which channels, and what was. Only they need the notification service."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from fastapi import APIRouter
from pydantic import BaseModel, Field
from reelback.v1 import notification_pb2

from reelback_gateway.api import RESPONSES, Limit
from reelback_gateway.backend import ADDRESS_LIMIT, BackendOf, Player
from reelback_gateway.models import Request, utc

router = APIRouter(prefix="/api/v1", dependencies=ADDRESS_LIMIT, responses=RESPONSES)

Switch = Annotated[bool, Field(strict=True)]


class Preferences(Request):
    """Over which channels a player wants to hear, and whether of more than what the account needs (`marketing`).

    `phone` is in E.164, and needed for `sms`.
    """

    email: Switch
    sms: Switch
    push: Switch
    marketing: Switch
    phone: Annotated[str, Field(max_length=32, examples=["+4930123456"])] = ""

    @classmethod
    def of(cls, message: notification_pb2.Preferences) -> Self:
        """From notification's answer."""
        return cls(
            email=message.email,
            sms=message.sms,
            push=message.push,
            marketing=message.marketing,
            phone=message.phone,
        )


class Message(BaseModel):
    """A message to a player, and what became of it."""

    message_id: str
    template: str
    channel: str
    state: Literal["pending", "sent", "failed"]
    attempts: int
    created_at: datetime

    @classmethod
    def of(cls, message: notification_pb2.Message) -> Self:
        """From notification's answer."""
        return cls.model_validate(
            {
                "message_id": message.message_id,
                "template": message.template,
                "channel": message.channel,
                "state": notification_pb2.Message.State.Name(message.state).lower(),
                "attempts": message.attempts,
                "created_at": utc(message.created_at),
            }
        )


@router.get("/preferences", tags=["messages"])
async def preferences(player: Player, backend: BackendOf) -> Preferences:
    """Over which channels the player wants to hear."""
    request = notification_pb2.GetPreferencesRequest(player_id=player.player_id)
    return Preferences.of(await backend.notification.GetPreferences(request))


@router.put("/preferences", tags=["messages"])
async def set_preferences(body: Preferences, player: Player, backend: BackendOf) -> Preferences:
    """Hear over other channels, from now on."""
    request = notification_pb2.Preferences(player_id=player.player_id, **body.model_dump())
    return Preferences.of(await backend.notification.SetPreferences(request))


@router.post("/profile/email/code", status_code=202, tags=["messages"])
async def send_code(player: Player, backend: BackendOf) -> None:
    """Have the first mail sent again, with the code that verifies the address: one in ten minutes."""
    await backend.notification.SendCode(notification_pb2.SendCodeRequest(player_id=player.player_id))


@router.get("/messages", tags=["messages"])
async def messages(player: Player, backend: BackendOf, limit: Limit = 50) -> list[Message]:
    """The newest messages to the player first."""
    request = notification_pb2.ListMessagesRequest(player_id=player.player_id, limit=limit)
    answer = await backend.notification.ListMessages(request)
    return [Message.of(message) for message in answer.messages]
