import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SpinRequest(_message.Message):
    __slots__ = ("request_id", "player_id", "bet")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    BET_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    player_id: str
    bet: int
    def __init__(self, request_id: _Optional[str] = ..., player_id: _Optional[str] = ..., bet: _Optional[int] = ...) -> None: ...

class LineWin(_message.Message):
    __slots__ = ("line", "symbol", "count", "amount")
    LINE_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    line: int
    symbol: str
    count: int
    amount: int
    def __init__(self, line: _Optional[int] = ..., symbol: _Optional[str] = ..., count: _Optional[int] = ..., amount: _Optional[int] = ...) -> None: ...

class Round(_message.Message):
    __slots__ = ("round_id", "request_id", "player_id", "bet", "win", "symbols", "rows", "reels", "wins", "balance_after", "played_at")
    ROUND_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    BET_FIELD_NUMBER: _ClassVar[int]
    WIN_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    REELS_FIELD_NUMBER: _ClassVar[int]
    WINS_FIELD_NUMBER: _ClassVar[int]
    BALANCE_AFTER_FIELD_NUMBER: _ClassVar[int]
    PLAYED_AT_FIELD_NUMBER: _ClassVar[int]
    round_id: str
    request_id: str
    player_id: str
    bet: int
    win: int
    symbols: _containers.RepeatedScalarFieldContainer[str]
    rows: int
    reels: int
    wins: _containers.RepeatedCompositeFieldContainer[LineWin]
    balance_after: int
    played_at: _timestamp_pb2.Timestamp
    def __init__(self, round_id: _Optional[str] = ..., request_id: _Optional[str] = ..., player_id: _Optional[str] = ..., bet: _Optional[int] = ..., win: _Optional[int] = ..., symbols: _Optional[_Iterable[str]] = ..., rows: _Optional[int] = ..., reels: _Optional[int] = ..., wins: _Optional[_Iterable[_Union[LineWin, _Mapping]]] = ..., balance_after: _Optional[int] = ..., played_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class ListRoundsRequest(_message.Message):
    __slots__ = ("player_id", "limit")
    PLAYER_ID_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    player_id: str
    limit: int
    def __init__(self, player_id: _Optional[str] = ..., limit: _Optional[int] = ...) -> None: ...

class ListRoundsResponse(_message.Message):
    __slots__ = ("rounds",)
    ROUNDS_FIELD_NUMBER: _ClassVar[int]
    rounds: _containers.RepeatedCompositeFieldContainer[Round]
    def __init__(self, rounds: _Optional[_Iterable[_Union[Round, _Mapping]]] = ...) -> None: ...

class GetPaytableRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class Payline(_message.Message):
    __slots__ = ("rows",)
    ROWS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, rows: _Optional[_Iterable[int]] = ...) -> None: ...

class Pay(_message.Message):
    __slots__ = ("symbol", "count", "multiplier")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    MULTIPLIER_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    count: int
    multiplier: int
    def __init__(self, symbol: _Optional[str] = ..., count: _Optional[int] = ..., multiplier: _Optional[int] = ...) -> None: ...

class Paytable(_message.Message):
    __slots__ = ("lines", "pays", "theoretical_rtp", "game", "variance")
    LINES_FIELD_NUMBER: _ClassVar[int]
    PAYS_FIELD_NUMBER: _ClassVar[int]
    THEORETICAL_RTP_FIELD_NUMBER: _ClassVar[int]
    GAME_FIELD_NUMBER: _ClassVar[int]
    VARIANCE_FIELD_NUMBER: _ClassVar[int]
    lines: _containers.RepeatedCompositeFieldContainer[Payline]
    pays: _containers.RepeatedCompositeFieldContainer[Pay]
    theoretical_rtp: float
    game: str
    variance: float
    def __init__(self, lines: _Optional[_Iterable[_Union[Payline, _Mapping]]] = ..., pays: _Optional[_Iterable[_Union[Pay, _Mapping]]] = ..., theoretical_rtp: _Optional[float] = ..., game: _Optional[str] = ..., variance: _Optional[float] = ...) -> None: ...
