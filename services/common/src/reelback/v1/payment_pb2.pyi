import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class EntryKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    ENTRY_KIND_UNSPECIFIED: _ClassVar[EntryKind]
    ENTRY_KIND_DEPOSIT: _ClassVar[EntryKind]
    ENTRY_KIND_WITHDRAWAL: _ClassVar[EntryKind]
    ENTRY_KIND_BET: _ClassVar[EntryKind]
    ENTRY_KIND_WIN: _ClassVar[EntryKind]
    ENTRY_KIND_SETTLEMENT: _ClassVar[EntryKind]
    ENTRY_KIND_REVERSAL: _ClassVar[EntryKind]

class TransferState(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    TRANSFER_STATE_UNSPECIFIED: _ClassVar[TransferState]
    TRANSFER_STATE_PENDING: _ClassVar[TransferState]
    TRANSFER_STATE_SETTLED: _ClassVar[TransferState]
    TRANSFER_STATE_REJECTED: _ClassVar[TransferState]
    TRANSFER_STATE_REVERSED: _ClassVar[TransferState]

class Decision(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DECISION_UNSPECIFIED: _ClassVar[Decision]
    DECISION_SETTLE: _ClassVar[Decision]
    DECISION_REJECT: _ClassVar[Decision]
    DECISION_REVERSE: _ClassVar[Decision]
ENTRY_KIND_UNSPECIFIED: EntryKind
ENTRY_KIND_DEPOSIT: EntryKind
ENTRY_KIND_WITHDRAWAL: EntryKind
ENTRY_KIND_BET: EntryKind
ENTRY_KIND_WIN: EntryKind
ENTRY_KIND_SETTLEMENT: EntryKind
ENTRY_KIND_REVERSAL: EntryKind
TRANSFER_STATE_UNSPECIFIED: TransferState
TRANSFER_STATE_PENDING: TransferState
TRANSFER_STATE_SETTLED: TransferState
TRANSFER_STATE_REJECTED: TransferState
TRANSFER_STATE_REVERSED: TransferState
DECISION_UNSPECIFIED: Decision
DECISION_SETTLE: Decision
DECISION_REJECT: Decision
DECISION_REVERSE: Decision

class MoveRequest(_message.Message):
    __slots__ = ("request_id", "player_id", "amount", "reference")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    player_id: str
    amount: int
    reference: str
    def __init__(self, request_id: _Optional[str] = ..., player_id: _Optional[str] = ..., amount: _Optional[int] = ..., reference: _Optional[str] = ...) -> None: ...

class Entry(_message.Message):
    __slots__ = ("request_id", "player_id", "kind", "amount", "balance_after", "sequence", "reference", "created_at", "decided_by")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    BALANCE_AFTER_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REFERENCE_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    player_id: str
    kind: EntryKind
    amount: int
    balance_after: int
    sequence: int
    reference: str
    created_at: _timestamp_pb2.Timestamp
    decided_by: str
    def __init__(self, request_id: _Optional[str] = ..., player_id: _Optional[str] = ..., kind: _Optional[_Union[EntryKind, str]] = ..., amount: _Optional[int] = ..., balance_after: _Optional[int] = ..., sequence: _Optional[int] = ..., reference: _Optional[str] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., decided_by: _Optional[str] = ...) -> None: ...

class GetWalletRequest(_message.Message):
    __slots__ = ("player_id",)
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    def __init__(self, player_id: _Optional[str] = ...) -> None: ...

class Wallet(_message.Message):
    __slots__ = ("player_id", "balance", "currency")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    CURRENCY_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    balance: int
    currency: str
    def __init__(self, player_id: _Optional[str] = ..., balance: _Optional[int] = ..., currency: _Optional[str] = ...) -> None: ...

class GetEntryRequest(_message.Message):
    __slots__ = ("request_id", "player_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    player_id: str
    def __init__(self, request_id: _Optional[str] = ..., player_id: _Optional[str] = ...) -> None: ...

class ListEntriesRequest(_message.Message):
    __slots__ = ("player_id", "limit", "before")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    BEFORE_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    limit: int
    before: int
    def __init__(self, player_id: _Optional[str] = ..., limit: _Optional[int] = ..., before: _Optional[int] = ...) -> None: ...

class Transfer(_message.Message):
    __slots__ = ("entry", "state", "decided_by", "decided_at")
    ENTRY_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    DECIDED_BY_FIELD_NUMBER: _ClassVar[int]
    DECIDED_AT_FIELD_NUMBER: _ClassVar[int]
    entry: Entry
    state: TransferState
    decided_by: str
    decided_at: _timestamp_pb2.Timestamp
    def __init__(self, entry: _Optional[_Union[Entry, _Mapping]] = ..., state: _Optional[_Union[TransferState, str]] = ..., decided_by: _Optional[str] = ..., decided_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListWaitingRequest(_message.Message):
    __slots__ = ("cursor", "limit")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    limit: int
    def __init__(self, cursor: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class Transfers(_message.Message):
    __slots__ = ("transfers", "next")
    TRANSFERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    transfers: _containers.RepeatedCompositeFieldContainer[Transfer]
    next: str
    def __init__(self, transfers: _Optional[_Iterable[_Union[Transfer, _Mapping]]] = ..., next: _Optional[str] = ...) -> None: ...

class DecideRequest(_message.Message):
    __slots__ = ("request_id", "player_id", "decision", "session_id")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    DECISION_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    player_id: str
    decision: Decision
    session_id: str
    def __init__(self, request_id: _Optional[str] = ..., player_id: _Optional[str] = ..., decision: _Optional[_Union[Decision, str]] = ..., session_id: _Optional[str] = ...) -> None: ...

class GetLimitsRequest(_message.Message):
    __slots__ = ("player_id",)
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    def __init__(self, player_id: _Optional[str] = ...) -> None: ...

class Limits(_message.Message):
    __slots__ = ("player_id", "deposit_per_day", "bet", "raised")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    DEPOSIT_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    BET_FIELD_NUMBER: _ClassVar[int]
    RAISED_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    deposit_per_day: int
    bet: int
    raised: RaisedLimits
    def __init__(self, player_id: _Optional[str] = ..., deposit_per_day: _Optional[int] = ..., bet: _Optional[int] = ..., raised: _Optional[_Union[RaisedLimits, _Mapping]] = ...) -> None: ...

class RaisedLimits(_message.Message):
    __slots__ = ("deposit_per_day", "bet", "holds_from")
    DEPOSIT_PER_DAY_FIELD_NUMBER: _ClassVar[int]
    BET_FIELD_NUMBER: _ClassVar[int]
    HOLDS_FROM_FIELD_NUMBER: _ClassVar[int]
    deposit_per_day: int
    bet: int
    holds_from: _timestamp_pb2.Timestamp
    def __init__(self, deposit_per_day: _Optional[int] = ..., bet: _Optional[int] = ..., holds_from: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...
