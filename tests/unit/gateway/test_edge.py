"""What strangers send: it changes neither a release's figures nor what is kept, and shows nothing of the inside."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from reelback_gateway.tokens import Claims
from reelback_telemetry import security

from tests.unit.common.waiting import until
from tests.unit.gateway.conftest import Gateway, platform

API = "/api/v1"
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


async def raw(gateway: Gateway, request: bytes) -> bytes:
    """The answer to bytes that no client would send."""
    address = urlsplit(gateway.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(request)
        async with asyncio.timeout(10):
            return await reader.read(65_536)
    finally:
        writer.close()


async def server_spans(spans: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    """The gateway's requests of a name: there is at least one before long, for it ends after its answer."""
    found: list[ReadableSpan] = []

    async def there() -> bool:
        found[:] = [s for s in spans.get_finished_spans() if s.kind is SpanKind.SERVER and s.name == name]
        return bool(found)

    await until(there)
    return found


def paytable(*headers: bytes, method: bytes = b"GET", path: bytes = b"/api/v1/paytable") -> bytes:
    lines = [method + b" " + path + b" HTTP/1.1", b"host: gateway", b"connection: close", *headers]
    return b"\r\n".join([*lines, b"", b""])


def post(route: str, body: bytes, *headers: bytes) -> bytes:
    length = b"content-length: %d" % len(body)
    head = (b"content-type: application/json", length, *headers)
    return paytable(*head, method=b"POST", path=f"{API}/{route}".encode()) + body


@pytest.mark.parametrize(
    "baggage",
    [b"k=\xe9", b"k=a\tb", b"k=" + b"v" * 7600, b"k=\xf0\x9f\x8e\xb0", b"," * 900, b""],
    ids=["latin", "tab", "long", "emoji", "commas", "empty"],
)
async def test_baggage_that_nobody_can_carry_is_dropped(
    gateway: Gateway, spans: InMemorySpanExporter, baggage: bytes
) -> None:
    answer = await raw(gateway, paytable(b"baggage: " + baggage))
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert (await server_spans(spans, "GET /api/v1/paytable"))[0].status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    "request_",
    [
        post("users", b"\xff\xfe"),
        post("users", b"[" * 8000),
        post("users", b'{"\\ud800": 1}'),
        post("users", b'{"email": "\\ud800@example.com", "password": "\\udfff", "display_name": "a"}'),
        post("users", b'{"email": "a\\u0000@example.com", "password": "12345678", "display_name": "a"}'),
        post("sessions", b'{"email": NaN, "password": 1e999}'),
        post("sessions", b'{"email": "' + b"a" * 15_000 + b'", "password": "b"}'),
        post("sessions", b"{}", b"content-encoding: br"),
        post("deposits", b'{"request_id": "d", "amount": 1e999}', b"authorization: Bearer \xff\xfe"),
        paytable(b"authorization: Bearer " + b"." * 4000, path=b"/api/v1/wallet"),
        paytable(b"authorization: \xe9", path=b"/api/v1/wallet"),
        paytable(path=b"/api/v1/transfers/%ff%00%f0"),
        paytable(path=b"/%c0%ae%c0%ae/%00?limit=%ff&limit=[]"),
        paytable(method=b"BREW"),
        paytable(b"traceparent: 00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01"),
        paytable(b"traceparent: \xff", b"sentry-trace: \xfe", b"tracestate: \xe9=\xe9"),
        paytable(b"upgrade: websocket", b"connection: upgrade", path=b"/api/v1/play"),
        paytable(b"x-forwarded-for: \xff\xfe,,;", b"forwarded: for=\xff"),
        paytable(b"content-length: -1"),
        paytable(b"content-length: 5", b"transfer-encoding: chunked"),
        b"GET\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
async def test_no_malformed_request_is_a_failure_of_the_release(
    gateway: Gateway, spans: InMemorySpanExporter, request_: bytes
) -> None:
    answer = await raw(gateway, request_)
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200"))
    assert b"Traceback" not in answer
    assert (await gateway.http.get(f"{API}/paytable")).status_code == 200
    await server_spans(spans, "GET /api/v1/paytable")
    served = [span for span in spans.get_finished_spans() if span.kind is SpanKind.SERVER]
    assert [span.name for span in served if span.status.status_code is StatusCode.ERROR] == []


async def test_half_a_body_is_no_failure_of_the_release(gateway: Gateway, spans: InMemorySpanExporter) -> None:
    address = urlsplit(gateway.url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(paytable(b"content-length: 100", method=b"POST", path=b"/api/v1/users") + b'{"email"')
    await writer.drain()
    writer.close()
    span = (await server_spans(spans, "POST /api/v1/users"))[0]
    assert span.status.status_code is StatusCode.UNSET


@pytest.mark.parametrize(
    "header", [f"traceparent: 00-{TRACE}-{SPAN}-00", f"sentry-trace: {TRACE}-{SPAN}-0", f"sentry-trace: {TRACE}-{SPAN}"]
)
async def test_a_caller_gives_a_trace_and_cannot_hide_in_it(
    gateway: Gateway, spans: InMemorySpanExporter, header: str
) -> None:
    await raw(gateway, paytable(header.encode(), b"tracestate: vendor=1"))
    span = (await server_spans(spans, "GET /api/v1/paytable"))[0]
    assert span.context
    assert span.parent
    assert f"{span.context.trace_id:032x}" == TRACE
    assert f"{span.parent.span_id:016x}" == SPAN
    assert span.context.trace_flags.sampled
    assert not span.context.trace_state


async def test_made_up_methods_and_paths_name_nothing(gateway: Gateway, spans: InMemorySpanExporter) -> None:
    await raw(gateway, paytable(method=b"PROPFIND", path=b"/reset/hunter2"))
    span = (await server_spans(spans, "OTHER"))[0]
    assert "hunter2" not in str(span.attributes)
    assert "PROPFIND" not in str(span.attributes)


async def test_a_token_that_names_another_player_than_its_session_is_refused(gateway: Gateway) -> None:
    ada, eve = await gateway.player(), await gateway.player()
    tokens = gateway.backend.tokens
    victim = tokens.read(ada["Authorization"].removeprefix("Bearer ")).player_id
    own = tokens.read(eve["Authorization"].removeprefix("Bearer ")).session_id
    before = security.EVENTS.labels("token-of-another")._value.get()
    forged = tokens.issue(Claims(victim, own), datetime.now(UTC) + timedelta(hours=1))
    answer = await gateway.http.get(f"{API}/profile", headers={"Authorization": f"Bearer {forged}"})
    assert answer.status_code == 401
    assert security.EVENTS.labels("token-of-another")._value.get() == before + 1


async def test_a_guess_is_told_to_wait_in_a_header(gateway: Gateway) -> None:
    account = {"email": f"{secrets.token_hex(6)}@example.com", "password": "wrong horse"}
    answers = [await gateway.http.post(f"{API}/sessions", json=account) for _ in range(7)]
    assert [answer.status_code for answer in answers[:5]] == [401] * 5
    late = answers[-1]
    assert (late.status_code, late.json()["code"]) == (429, "resource-exhausted")
    assert int(late.headers["Retry-After"]) >= 1


async def test_passwords_have_a_pace_of_their_own_by_address(mongodb_url: str, redis_url: str) -> None:
    async with platform(mongodb_url, redis_url, passwords=1) as gateway:
        player = {"password": "correct horse", "display_name": "Ada"}
        answers = [
            await gateway.http.post(f"{API}/users", json={**player, "email": f"{secrets.token_hex(6)}@example.com"})
            for _ in range(4)
        ]
        assert (await gateway.http.get(f"{API}/paytable")).status_code == 200
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert refused[0].json()["detail"] == "more than 1 passwords a second for this address"
