"""What strangers send: one table of attacks, each with its pace and what has to come of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

ANSWER_SECONDS = 10.0
RELEASE = "gateway@1.4.0"

TRACE = "0af7651916cd43dd8448eb211c80319c"
MALFORMED = (
    (b"baggage", b"k=\xe9"),
    (b"baggage", b"k=" + b"v" * 7600),
    (b"traceparent", f"00-{TRACE}-b7ad6b7169203331-00".encode()),
    (b"authorization", b"Bearer \xff\xfe"),
    (b"x-forwarded-for", b"\xff,,;"),
    (b"tracestate", b"\xe9=\xe9"),
)
BODIES = (b"\xff\xfe", b"[" * 8000, b'{"\\ud800": 1}', b'{"email": NaN}', b'{"amount": 1e999}', b"")


@dataclass(frozen=True)
class Target:
    """Where the stack is; URLs, and Redis' host and port."""

    gateway: str
    ingest: str
    redis: tuple[str, int]


@dataclass
class Tally:
    """What came of an attack so far: answers by status, 0 for none."""

    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def tried(self) -> int:
        return self.statuses.total()

    @property
    def failed(self) -> int:
        """Answers that would count as a server's failure."""
        return sum(n for status, n in self.statuses.items() if status >= 500)

    @property
    def refused(self) -> int:
        """Answers that say no, and connections that were closed."""
        return sum(n for status, n in self.statuses.items() if status == 0 or 400 <= status < 500)


Try = Callable[["Stranger"], Awaitable[int]]


class Stranger:
    """Somebody at one address, which no honest player has."""

    def __init__(self, target: Target, address: str) -> None:
        self.target = target
        self.address = address
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(local_addr=(address, 0), limit=20),
            timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
        )

    async def send(self, method: str, url: str, **options: object) -> int:
        """The status of the answer."""
        async with self.http.request(method, url, **options) as answer:  # type: ignore[arg-type]
            await answer.read()
            return answer.status

    async def raw(self, url: str, data: bytes) -> int:
        """The status of the answer to bytes that no client would send."""
        where = urlsplit(url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port, local_addr=(self.address, 0))
        try:
            writer.write(data)
            async with asyncio.timeout(ANSWER_SECONDS):
                line = await reader.readline()
            return int(line.split()[1]) if line else 0
        finally:
            writer.close()


async def malformed_header(it: Stranger) -> int:
    name, value = random.choice(MALFORMED)
    head = b"GET /api/v1/paytable HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n%s: %s\r\n\r\n"
    return await it.raw(it.target.gateway, head % (name, value))


async def malformed_body(it: Stranger) -> int:
    route = random.choice(("users", "sessions", "deposits", "spins"))
    headers = {"content-type": "application/json"}
    return await it.send("POST", f"{it.target.gateway}/api/v1/{route}", data=random.choice(BODIES), headers=headers)


async def made_up_method(it: Stranger) -> int:
    method, path = random.choice(("PROPFIND", "LOCK", "PURGE")), secrets.token_hex(8)
    return await it.send(method, f"{it.target.gateway}/{path}")


async def forged_token(it: Stranger) -> int:
    token = f"{secrets.token_urlsafe(20)}.{secrets.token_urlsafe(40)}.{secrets.token_urlsafe(32)}"
    return await it.send("GET", f"{it.target.gateway}/api/v1/wallet", headers={"authorization": f"Bearer {token}"})


async def guessed_password(it: Stranger) -> int:
    account = {"email": "victim@players.example", "password": secrets.token_hex(8)}
    return await it.send("POST", f"{it.target.gateway}/api/v1/sessions", json=account)


async def sprayed_password(it: Stranger) -> int:
    account = {"email": f"{secrets.token_hex(8)}@players.example", "password": "123456789"}
    return await it.send("POST", f"{it.target.gateway}/api/v1/sessions", json=account)


async def forged_address(it: Stranger) -> int:
    headers = {"X-Forwarded-For": f"10.{random.randrange(256)}.{random.randrange(256)}.1"}
    account = {"email": "victim@players.example", "password": secrets.token_hex(8)}
    return await it.send("POST", f"{it.target.gateway}/api/v1/sessions", json=account, headers=headers)


async def forged_event(it: Stranger) -> int:
    event = {
        "event_id": secrets.token_hex(16),
        "timestamp": time.time(),
        "platform": "python",
        "level": "error",
        "release": RELEASE,
        "environment": "local",
        "exception": {"values": [{"type": "Forged", "value": secrets.token_hex(8)}]},
    }
    payload = json.dumps(event).encode()
    lines = (b"{}", json.dumps({"type": "event", "length": len(payload)}).encode(), payload, b"")
    key = random.choice(("anything", "reelback", secrets.token_hex(16)))
    return await it.send("POST", f"{it.target.ingest}/api/1/envelope/?sentry_key={key}", data=b"\n".join(lines))


async def forged_spans(it: Stranger) -> int:
    headers = {"content-type": "application/x-protobuf", "x-sentry-auth": f"Sentry sentry_key={secrets.token_hex(16)}"}
    body = secrets.token_bytes(45_000)
    return await it.send("POST", f"{it.target.ingest}/api/1/integration/otlp/v1/traces", data=body, headers=headers)


async def half_a_request(it: Stranger) -> int:
    """Hold a connection without ever asking for anything, until it is closed."""
    where = urlsplit(it.target.gateway)
    reader, writer = await asyncio.open_connection(where.hostname, where.port, local_addr=(it.address, 0))
    try:
        writer.write(b"POST /api/v1/sessions HTTP/1.1\r\nhost: gate")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(60):
                await reader.read()
        return 0
    finally:
        writer.close()


async def redis_without_password(it: Stranger) -> int:
    """403 when it is refused."""
    reader, writer = await asyncio.open_connection(*it.target.redis, local_addr=(it.address, 0))
    try:
        writer.write(b"CONFIG SET dir /tmp\r\n")
        async with asyncio.timeout(ANSWER_SECONDS):
            answer = await reader.readline()
        return 403 if answer.startswith(b"-") else 200
    finally:
        writer.close()


@dataclass(frozen=True)
class Attack:
    """One kind of attack: so many tries in a second. `only` are the answers that it may have."""

    name: str
    attempt: Try
    per_second: float
    only: Sequence[int]


ATTACKS: Sequence[Attack] = (
    Attack("malformed headers", malformed_header, 30, (200, 400, 401, 429)),
    Attack("malformed bodies", malformed_body, 20, (400, 401, 413, 422, 429)),
    Attack("made-up methods and paths", made_up_method, 10, (400, 404, 405, 429)),
    Attack("forged tokens", forged_token, 10, (401, 429)),
    Attack("passwords of one account", guessed_password, 10, (401, 429)),
    Attack("passwords of many accounts", sprayed_password, 10, (401, 429)),
    Attack("made-up addresses", forged_address, 10, (401, 429)),
    Attack("events of a made-up key", forged_event, 30, (401, 403, 429)),
    Attack("spans of a made-up key", forged_spans, 10, (401, 403, 429)),
    Attack("half a request", half_a_request, 4, (0,)),
    Attack("Redis without a password", redis_without_password, 5, (403,)),
)


async def run(attack: Attack, target: Target, address: str, seconds: float) -> Tally:
    """Attack for so long."""
    tally = Tally()
    stranger = Stranger(target, address)

    async def once() -> None:
        try:
            tally.statuses[await attack.attempt(stranger)] += 1
        except (aiohttp.ClientError, OSError, TimeoutError):
            tally.statuses[0] += 1

    try:
        async with asyncio.TaskGroup() as group:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                group.create_task(once())
                await asyncio.sleep(1 / attack.per_second)
    finally:
        await stranger.http.close()
    return tally
