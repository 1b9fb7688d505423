"""What others are told about accounts. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from reelback.v1 import events_pb2, user_pb2
from reelback_common.events import Outgoing

from reelback_user.accounts import Account, Kyc

TOPIC = "users"
KYC = {
    Kyc.NONE: user_pb2.KYC_NONE,
    Kyc.PENDING: user_pb2.KYC_PENDING,
    Kyc.VERIFIED: user_pb2.KYC_VERIFIED,
    Kyc.REFUSED: user_pb2.KYC_REFUSED,
}


@dataclass(frozen=True, slots=True)
class Change:
    """What has become of an account, as its outbox keeps it: registered, or with `kyc` changed for the
    `number`th time. `at` is UTC, in whole milliseconds; `headers` are the trace in which it happened."""

    player_id: str
    number: int
    kyc: Kyc
    at: datetime
    headers: Mapping[str, str]

    @property
    def event_id(self) -> str:
        """The same for every copy of the event."""
        return f"{self.player_id}/kyc/{self.number}" if self.number else f"{self.player_id}/registered"

    def event(self) -> Outgoing:
        """The event; the same however often it is made."""
        event = events_pb2.Event(event_id=self.event_id, player_id=self.player_id)
        event.occurred_at.FromDatetime(self.at)
        if self.number:
            event.kyc_changed.kyc = KYC[self.kyc]
        else:
            event.player_registered.SetInParent()
        return Outgoing(TOPIC, event, self.headers)


def change(account: Account, headers: Mapping[str, str]) -> Change:
    """The newest change of an account."""
    return Change(account.player_id, account.kyc_changes, account.kyc, account.kyc_at or account.created_at, headers)
