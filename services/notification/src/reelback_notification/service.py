"""Preferences and the history of messages over gRPC."""

from __future__ import annotations

from typing import Any, TypeAlias

import grpc
from grpc import StatusCode
from pymongo.errors import ConnectionFailure
from reelback.v1 import notification_pb2, notification_pb2_grpc
from reelback_common.refusals import refusing
from reelback_telemetry.context import set_player

from reelback_notification.intake import Intake
from reelback_notification.messages import Message
from reelback_notification.preferences import Invalid, Preferences, check_identifier
from reelback_notification.store import State, Store

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

REFUSALS: dict[type[Exception], StatusCode] = {Invalid: StatusCode.INVALID_ARGUMENT}
UNAVAILABLE = (ConnectionFailure,)
STATES = {
    State.PENDING: notification_pb2.Message.PENDING,
    State.SENT: notification_pb2.Message.SENT,
    State.FAILED: notification_pb2.Message.FAILED,
}


class Notification(notification_pb2_grpc.NotificationServicer):
    """reelback.v1.Notification on a store; `intake` takes what players ask to be sent."""

    def __init__(self, store: Store, intake: Intake) -> None:
        self._store = store
        self._intake = intake

    async def GetPreferences(
        self, request: notification_pb2.GetPreferencesRequest, context: Context
    ) -> notification_pb2.Preferences:
        """What a player wants to hear."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            check_identifier("player_id", request.player_id)
            set_player(request.player_id)
            return _preferences(await self._store.preferences(request.player_id))

    async def SetPreferences(
        self, request: notification_pb2.Preferences, context: Context
    ) -> notification_pb2.Preferences:
        """All of a player's choice, in place of what it was."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            preferences = Preferences(
                request.player_id, request.email, request.sms, request.push, request.marketing, request.phone
            )
            set_player(request.player_id)
            await self._store.set_preferences(preferences)
        return _preferences(preferences)

    async def ListMessages(
        self, request: notification_pb2.ListMessagesRequest, context: Context
    ) -> notification_pb2.ListMessagesResponse:
        """The newest messages first."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            check_identifier("player_id", request.player_id)
            set_player(request.player_id)
            if not 0 <= request.limit <= 500:
                raise Invalid(f"limit: must be from 0 to 500, not {request.limit}")
            found = await self._store.history(request.player_id, request.limit or 50)
        return notification_pb2.ListMessagesResponse(messages=[_message(message, state) for message, state in found])

    async def SendCode(
        self, request: notification_pb2.SendCodeRequest, context: Context
    ) -> notification_pb2.SendCodeResponse:
        """The first mail again."""
        async with refusing(context, REFUSALS, UNAVAILABLE):
            check_identifier("player_id", request.player_id)
            set_player(request.player_id)
            await self._intake.send_code(request.player_id)
        return notification_pb2.SendCodeResponse()


def _preferences(preferences: Preferences) -> notification_pb2.Preferences:
    return notification_pb2.Preferences(
        player_id=preferences.player_id,
        email=preferences.email,
        sms=preferences.sms,
        push=preferences.push,
        marketing=preferences.marketing,
        phone=preferences.phone,
    )


def _message(message: Message, state: State) -> notification_pb2.Message:
    made = notification_pb2.Message(
        message_id=message.id,
        template=message.template,
        channel=message.channel,
        state=STATES[state],
        attempts=message.attempts,
    )
    made.created_at.FromDatetime(message.created_at)
    return made
