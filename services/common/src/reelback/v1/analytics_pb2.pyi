import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from reelback.v1 import events_pb2 as _events_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GetReportRequest(_message.Message):
    __slots__ = ("window",)
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    window: _duration_pb2.Duration
    def __init__(self, window: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ...) -> None: ...

class Report(_message.Message):
    __slots__ = ("start", "end", "games", "payment_success_rate", "payments", "payments_failed", "payments_declined", "active_sessions", "top_players")
    START_FIELD_NUMBER: _ClassVar[int]
    END_FIELD_NUMBER: _ClassVar[int]
    GAMES_FIELD_NUMBER: _ClassVar[int]
    PAYMENT_SUCCESS_RATE_FIELD_NUMBER: _ClassVar[int]
    PAYMENTS_FIELD_NUMBER: _ClassVar[int]
    PAYMENTS_FAILED_FIELD_NUMBER: _ClassVar[int]
    PAYMENTS_DECLINED_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_SESSIONS_FIELD_NUMBER: _ClassVar[int]
    TOP_PLAYERS_FIELD_NUMBER: _ClassVar[int]
    start: _timestamp_pb2.Timestamp
    end: _timestamp_pb2.Timestamp
    games: _containers.RepeatedCompositeFieldContainer[GameReport]
    payment_success_rate: float
    payments: int
    payments_failed: int
    payments_declined: int
    active_sessions: int
    top_players: _containers.RepeatedCompositeFieldContainer[PlayerReport]
    def __init__(self, start: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., end: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., games: _Optional[_Iterable[_Union[GameReport, _Mapping]]] = ..., payment_success_rate: _Optional[float] = ..., payments: _Optional[int] = ..., payments_failed: _Optional[int] = ..., payments_declined: _Optional[int] = ..., active_sessions: _Optional[int] = ..., top_players: _Optional[_Iterable[_Union[PlayerReport, _Mapping]]] = ...) -> None: ...

class GameReport(_message.Message):
    __slots__ = ("game", "rounds", "rounds_won", "bet", "win", "rtp", "theoretical_rtp", "deviation")
    GAME_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_WON_FIELD_NUMBER: _ClassVar[int]
    BET_FIELD_NUMBER: _ClassVar[int]
    WIN_FIELD_NUMBER: _ClassVar[int]
    RTP_FIELD_NUMBER: _ClassVar[int]
    THEORETICAL_RTP_FIELD_NUMBER: _ClassVar[int]
    DEVIATION_FIELD_NUMBER: _ClassVar[int]
    game: str
    rounds: int
    rounds_won: int
    bet: int
    win: int
    rtp: float
    theoretical_rtp: float
    deviation: float
    def __init__(self, game: _Optional[str] = ..., rounds: _Optional[int] = ..., rounds_won: _Optional[int] = ..., bet: _Optional[int] = ..., win: _Optional[int] = ..., rtp: _Optional[float] = ..., theoretical_rtp: _Optional[float] = ..., deviation: _Optional[float] = ...) -> None: ...

class PlayerReport(_message.Message):
    __slots__ = ("player_id", "rounds", "bet", "win")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    BET_FIELD_NUMBER: _ClassVar[int]
    WIN_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    rounds: int
    bet: int
    win: int
    def __init__(self, player_id: _Optional[str] = ..., rounds: _Optional[int] = ..., bet: _Optional[int] = ..., win: _Optional[int] = ...) -> None: ...

class GetTotalsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Totals(_message.Message):
    __slots__ = ("events", "rounds", "bet", "win", "entries", "balance")
    class EventsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: int
        def __init__(self, key: _Optional[str] = ..., value: _Optional[int] = ...) -> None: ...
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    BET_FIELD_NUMBER: _ClassVar[int]
    WIN_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    BALANCE_FIELD_NUMBER: _ClassVar[int]
    events: _containers.ScalarMap[str, int]
    rounds: int
    bet: int
    win: int
    entries: int
    balance: int
    def __init__(self, events: _Optional[_Mapping[str, int]] = ..., rounds: _Optional[int] = ..., bet: _Optional[int] = ..., win: _Optional[int] = ..., entries: _Optional[int] = ..., balance: _Optional[int] = ...) -> None: ...

class ListAlertsRequest(_message.Message):
    __slots__ = ("cursor", "limit")
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    cursor: str
    limit: int
    def __init__(self, cursor: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class Alerts(_message.Message):
    __slots__ = ("alerts", "next")
    ALERTS_FIELD_NUMBER: _ClassVar[int]
    NEXT_FIELD_NUMBER: _ClassVar[int]
    alerts: _containers.RepeatedCompositeFieldContainer[Alert]
    next: str
    def __init__(self, alerts: _Optional[_Iterable[_Union[Alert, _Mapping]]] = ..., next: _Optional[str] = ...) -> None: ...

class Alert(_message.Message):
    __slots__ = ("alert_id", "player_id", "raised_at", "raised")
    ALERT_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    RAISED_AT_FIELD_NUMBER: _ClassVar[int]
    RAISED_FIELD_NUMBER: _ClassVar[int]
    alert_id: str
    player_id: str
    raised_at: _timestamp_pb2.Timestamp
    raised: _events_pb2.AlertRaised
    def __init__(self, alert_id: _Optional[str] = ..., player_id: _Optional[str] = ..., raised_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., raised: _Optional[_Union[_events_pb2.AlertRaised, _Mapping]] = ...) -> None: ...
