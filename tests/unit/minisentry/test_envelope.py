"""The envelope format, content encodings and every limit, on the parser itself."""

import gzip
import random
import tracemalloc
import zlib
from contextlib import suppress

import brotli
import pytest
from reelback_minisentry.ingest.envelope import LIMIT, MAX_SESSIONS, MIB, decompress, parse
from reelback_minisentry.untrusted import Rejected


def status(body: bytes) -> int:
    with pytest.raises(Rejected) as refused:
        parse(body)
    return refused.value.status


def test_items_with_and_without_length() -> None:
    header, items = parse(
        b'{"event_id":"a"}\n'
        b'{"type":"event","length":12}\n{"a":"b\\nc"}\n'
        b'{"type":"session"}\n{"sid":1}\n\n'
        b'{"type":"attachment","length":3}\n\n\n\n'
        b'\n{"type":"feedback","length":0}'
    )
    assert header == {"event_id": "a"}
    assert [(item.type, item.payload) for item in items] == [
        ("event", b'{"a":"b\\nc"}'),
        ("session", b'{"sid":1}'),
        ("attachment", b"\n\n\n"),
        ("feedback", b""),
    ]


def test_windows_line_ends_and_an_empty_envelope() -> None:
    assert parse(b"{}") == ({}, [])
    assert parse(b"{}\r\n\r\n")[1] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\n{}",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"{}\nnot json\n",
        b"{}\n[]\n",
        b"{}\n{}\n",
        b'{}\n{"type":1}\n',
        b'{}\n{"type":""}\n',
        b'{}\n{"type":"event","length":-1}\n{}',
        b'{}\n{"type":"event","length":"2"}\n{}',
        b'{}\n{"type":"event","length":true}\n{}',
        b'{}\n{"type":"event","length":1e9}\n{}',
        b'{}\n{"type":"event","length":99999999999999999999}\n{}',
        b'{}\n{"type":"event","length":3}\n{}',
        b'{}\n{"type":"event","length":1}\n{}\n',
    ],
)
def test_malformed(body: bytes) -> None:
    assert status(body) == 400


def test_limits_of_items_and_sessions() -> None:
    def items(kind: str, size: int, n: int = 1) -> bytes:
        return b"{}\n" + (b'{"type":"%s","length":%d}\n' % (kind.encode(), size) + b" " * size + b"\n") * n

    assert len(parse(items("event", MIB))[1]) == 1
    assert status(items("event", MIB + 1)) == 413
    assert status(items("check_in", 100 * 1024 + 1)) == 413
    assert len(parse(items("attachment", 2 * MIB))[1]) == 1
    assert len(parse(items("session", 2, MAX_SESSIONS))[1]) == MAX_SESSIONS
    assert status(items("session", 2, MAX_SESSIONS + 1)) == 413
    assert status(items("event", 0, 1001)) == 413


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("GZip ", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", lambda raw: zlib.compress(raw, wbits=-15)),
        ("br", brotli.compress),
        ("identity", bytes),
        ("", bytes),
    ],
)
def test_content_encodings(encoding: str, compress) -> None:  # type: ignore[no-untyped-def]
    raw = random.Random(1).randbytes(5000) + b"z" * 5000
    assert decompress(compress(raw), encoding) == raw
    with pytest.raises(Rejected) as refused:
        decompress(compress(raw), encoding, limit=9_999)
    assert refused.value.status == 413
    if encoding not in ("", "identity"):
        for damaged in (compress(raw)[:-9], b"no such thing", b""):
            with pytest.raises(Rejected) as refused:
                decompress(damaged, encoding)
            assert refused.value.status == 400


def test_unknown_encoding() -> None:
    with pytest.raises(Rejected) as refused:
        decompress(b"{}", "zstd")
    assert refused.value.status == 415


@pytest.mark.parametrize(
    ("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress)]
)
def test_a_bomb_costs_no_more_than_the_limit(encoding: str, compress) -> None:  # type: ignore[no-untyped-def]
    bomb = compress(bytes(20 * LIMIT))
    tracemalloc.start()
    try:
        with pytest.raises(Rejected) as refused:
            decompress(bomb, encoding)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.status == 413
    assert peak < 3 * LIMIT


def test_random_bytes_are_refused_or_taken_but_never_a_surprise() -> None:
    source = random.Random(7)
    pieces = [
        b"{}",
        b"\n",
        b'{"type":"event"}',
        b'{"type":"event","length":5}',
        b"\x00",
        b"[",
        b'"',
        b"{",
        b"\xff",
        b" ",
    ]
    for _ in range(20_000):
        body = b"".join(source.choices(pieces, k=source.randrange(12)))
        for raw in (body, source.randbytes(source.randrange(40))):
            with suppress(Rejected):
                parse(raw)
