import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from reelback.v1 import payment_pb2 as _payment_pb2
from reelback.v1 import user_pb2 as _user_pb2
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Event(_message.Message):
    __slots__ = ("event_id", "occurred_at", "player_id", "round_settled", "money_moved", "payment_failed", "player_registered", "kyc_changed", "alert_raised")
    EVENT_ID_FIELD_NUMBER: _ClassVar[int]
    OCCURRED_AT_FIELD_NUMBER: _ClassVar[int]
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    ROUND_SETTLED_FIELD_NUMBER: _ClassVar[int]
    MONEY_MOVED_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_FAILED_FIELD_NUMBER: _ClassVar[int]
    PLAYER_REGISTERED_FIELD_NUMBER: _ClassVar[int]
    KYC_CHANGED_FIELD_NUMBER: _ClassVar[int]
    ALERT_RAISED_FIELD_NUMBER: _ClassVar[int]
    event_id: str
    occurred_at: _timestamp_pb2.Timestamp
    player_id: str
    round_settled: RoundSettled
    money_moved: MoneyMoved
    payment_failed: PaymentFailed
    player_registered: PlayerRegistered
    kyc_changed: KycChanged
    alert_raised: AlertRaised
    def __init__(self, event_id: _Optional[str] = ..., occurred_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., player_id: _Optional[str] = ..., round_settled: _Optional[_Union[RoundSettled, _Mapping]] = ..., money_moved: _Optional[_Union[MoneyMoved, _Mapping]] = ..., payment_failed: _Optional[_Union[PaymentFailed, _Mapping]] = ..., player_registered: _Optional[_Union[PlayerRegistered, _Mapping]] = ..., kyc_changed: _Optional[_Union[KycChanged, _Mapping]] = ..., alert_raised: _Optional[_Union[AlertRaised, _Mapping]] = ...) -> None: ...

class RoundSettled(_message.Message):
    __slots__ = ("round_id", "game", "bet", "win")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    GAME_FIELD_NUMBER: _ClassVar[int]
    BET_FIELD_NUMBER: _ClassVar[int]
    WIN_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    game: str
    bet: int
    win: int
    def __init__(self, round_id: _Optional[str] = ..., game: _Optional[str] = ..., bet: _Optional[int] = ..., win: _Optional[int] = ...) -> None: ...

class MoneyMoved(_message.Message):
    __slots__ = ("entry",)
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    entry: _payment_pb2.Entry
    def __init__(self, entry: _Optional[_Union[_payment_pb2.Entry, _Mapping]] = ...) -> None: ...

class PaymentFailed(_message.Message):
    __slots__ = ("request_id", "kind", "amount", "reason")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[PaymentFailed.Reason]
        DECLINED: _ClassVar[PaymentFailed.Reason]
        ERROR: _ClassVar[PaymentFailed.Reason]
    REASON_UNSPECIFIED: PaymentFailed.Reason
    DECLINED: PaymentFailed.Reason
    ERROR: PaymentFailed.Reason
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    kind: _payment_pb2.EntryKind
    amount: int
    reason: PaymentFailed.Reason
    def __init__(self, request_id: _Optional[str] = ..., kind: _Optional[_Union[_payment_pb2.EntryKind, str]] = ..., amount: _Optional[int] = ..., reason: _Optional[_Union[PaymentFailed.Reason, str]] = ...) -> None: ...

class PlayerRegistered(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class KycChanged(_message.Message):
    __slots__ = ("kyc",)
    KYC_FIELD_NUMBER: _ClassVar[int]
    kyc: _user_pb2.Kyc
    def __init__(self, kyc: _Optional[_Union[_user_pb2.Kyc, str]] = ...) -> None: ...

class AlertRaised(_message.Message):
    __slots__ = ("rule", "severity", "detail")
    class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SEVERITY_UNSPECIFIED: _ClassVar[AlertRaised.Severity]
        WARNING: _ClassVar[AlertRaised.Severity]
        CRITICAL: _ClassVar[AlertRaised.Severity]
    SEVERITY_UNSPECIFIED: AlertRaised.Severity
    WARNING: AlertRaised.Severity
    CRITICAL: AlertRaised.Severity
    RULE_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    DETAIL_FIELD_NUMBER: _ClassVar[int]
    rule: str
    severity: AlertRaised.Severity
    detail: str
    def __init__(self, rule: _Optional[str] = ..., severity: _Optional[_Union[AlertRaised.Severity, str]] = ..., detail: _Optional[str] = ...) -> None: ...
