"""What each call of the telemetry library costs, in microseconds of CPU, and what a bad backend costs requests.

Calls are made inside a request, in blocks; the figure is the median of the blocks. All of it is sent to a server that
takes it, so that nothing is dropped early. The requests' figures are ratios: the same application, with each kind of
DSN in processes of its own, in turns, against the DSN of a server that takes everything.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any

BLOCKS, CALLS, WARM_UP = 15, 200, 200

DSNS = ("none", "wrong", "away", "slow", "taking")
"""No DSN; a key that the backend refuses; nobody listens; a server that never answers; one that takes everything."""

TURNS, REQUESTS = 7, 300
LIMIT_SECONDS = 120


def calls() -> dict[str, Callable[[], object]]:
    """Every call of the library that a service makes for a request, as a README's reader would write it."""
    import grpc
    from opentelemetry import trace
    from reelback_telemetry import (
        business,
        cache,
        context,
        errors,
        messaging,
        operations,
        request,
        rpc_client,
        security,
    )
    from reelback_telemetry.journeys import user_journey

    since = datetime(2020, 1, 1, tzinfo=UTC)

    @operations.tag_business_operation("order")
    def tagged() -> None:
        pass

    @operations.monitor_performance("order", threshold_ms=1000)
    def monitored() -> None:
        pass

    def requested() -> None:
        with request.request("order", {}, {}):
            pass

    def processed() -> None:
        with messaging.processing("orders", [], group="shop", partition=0, offset=1):
            pass

    class Answered:
        async def code(self) -> grpc.StatusCode:
            return grpc.StatusCode.OK

    answered = Answered()

    def called() -> None:
        _, done = rpc_client.begin("/shop.Prices/Get")
        done(answered)

    def captured() -> None:
        try:
            raise ValueError("a failure")  # the same one again would be no event
        except ValueError as error:
            errors.capture_custom_exception(error, {"stock": 3}, {"of": "card"})

    def journey() -> None:
        user_journey.start_journey("u1", "first deposit")
        user_journey.add_step("u1", "deposited")
        user_journey.complete_journey("u1")

    return {
        "request.request": requested,
        "messaging.processing": processed,
        "messaging.trace_headers": messaging.trace_headers,
        "rpc_client, a call": called,
        "context.set_player": lambda: context.set_player("p1"),
        "context.describe": lambda: context.describe(
            tier="vip", account_since=since, balance=4_200, game="classic", feature="spin", authenticated=True
        ),
        "context.trace_id": context.trace_id,
        "cache.looked_up": lambda: cache.looked_up("profiles", hit=True),
        "errors.capture_custom_exception": captured,
        "operations.tag_business_operation": tagged,
        "operations.monitor_performance": monitored,
        "business.log_business_event": lambda: business.log_business_event("order placed", stock=3),
        "business.track_conversion_funnel": lambda: business.track_conversion_funnel("checkout", "ordered"),
        "business.track_feature_usage": lambda: business.track_feature_usage("autoplay"),
        "business.trigger_business_alert": lambda: business.trigger_business_alert("stock", "none is left"),
        "user_journey, with one step": journey,
        "security.report": lambda: security.report("sign-in-budget", "too many passwords were tried"),
        "(a span of OpenTelemetry alone)": lambda: trace.get_tracer("bench").start_span("x").end(),
    }


def costs() -> dict[str, dict[str, float]]:
    """The median cost of each call, and the range of its blocks."""
    from reelback_telemetry import request, sdk

    with backend("taking") as dsn, sdk.start("bench", release="bench@1.0.0", dsn=dsn, log_level="CRITICAL"):
        found = {}
        for name, call in calls().items():
            with request.request(name, {}, {}):
                for _ in range(WARM_UP):
                    call()
                blocks = [_block(call) for _ in range(BLOCKS)]
            found[name] = {
                "median_us": round(statistics.median(blocks), 1),
                "min_us": round(min(blocks), 1),
                "max_us": round(max(blocks), 1),
            }
            sdk.flush()  # the next call begins with queues that are empty
        return found


def _block(call: Callable[[], object]) -> float:
    # Of this thread alone: the senders' threads are not what a request waits for.
    started = time.thread_time()
    for _ in range(CALLS):
        call()
    return 1e6 * (time.thread_time() - started) / CALLS


@contextmanager
def backend(kind: str) -> Iterator[str]:
    """The DSN of a backend of one of the DSNS."""
    with ExitStack() as stack:
        if kind == "none":
            yield ""
        elif kind in ("wrong", "taking"):
            server = stack.enter_context(_server(403 if kind == "wrong" else 200))
            yield f"http://key@127.0.0.1:{server}/1"
        else:
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            if kind == "slow":
                listener.listen(1000)  # the kernel accepts, and nobody answers
            yield f"http://key@127.0.0.1:{listener.getsockname()[1]}/1"


_SERVER = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(int(sys.argv[1]))
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")
    def log_message(self, *_): pass
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
"""


@contextmanager
def _server(status: int) -> Iterator[int]:
    """A server that answers everything with a status, in a process of its own; its port."""
    process = subprocess.Popen([sys.executable, "-c", _SERVER, str(status)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def _requests(number: int) -> list[float]:
    """Milliseconds of each request: each says what a service says, and one in ten fails."""
    from reelback_telemetry import asgi, business, context, operations
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    @operations.tag_business_operation("order")
    async def work(fails: bool) -> None:
        context.set_player("p1")
        business.log_business_event("order placed", stock=3)
        if fails:
            raise ValueError("a failure")

    async def order(asked: Any) -> JSONResponse:
        await work(asked.query_params.get("fails") == "1")
        return JSONResponse({})

    async def failed(asked: Any, error: Exception) -> JSONResponse:
        return JSONResponse({}, 500)

    app = asgi.instrument(Starlette(routes=[Route("/", order)], exception_handlers={ValueError: failed}))
    statuses: list[int] = []

    async def send(message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    took = []
    for asked in range(number):
        fails = asked % 10 == 0
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"fails=1" if fails else b"",
            "headers": [],
        }
        started = time.perf_counter()
        await app(scope, receive, send)
        took.append(1000 * (time.perf_counter() - started))
        await asyncio.sleep(0)
    assert statuses == [500 if asked % 10 == 0 else 200 for asked in range(number)], (
        "a request failed for its telemetry"
    )
    return took


def turn(dsn: str) -> dict[str, float]:
    """In a process of its own: what a request takes with a DSN, and how long the end takes."""
    from reelback_telemetry import sdk

    telemetry = sdk.start("bench", release="bench@1.0.0", dsn=dsn, log_level="CRITICAL")
    asyncio.run(_requests(REQUESTS))
    took = asyncio.run(_requests(REQUESTS))
    started = time.perf_counter()
    telemetry.close()
    closed = time.perf_counter() - started
    return {"p50_ms": statistics.median(took), "p99_ms": statistics.quantiles(took, n=100)[98], "close_seconds": closed}


def dsns() -> dict[str, dict[str, float]]:
    """What requests take by DSN, in turns, and against no DSN."""
    measured: dict[str, list[dict[str, float]]] = {kind: [] for kind in DSNS}
    with ExitStack() as stack:
        addresses = {kind: stack.enter_context(backend(kind)) for kind in DSNS}
        for number in range(TURNS):
            for kind in DSNS if number % 2 else reversed(DSNS):
                run = subprocess.run(
                    [sys.executable, "-m", "bench.library", addresses[kind]],
                    stdout=subprocess.PIPE,
                    env=os.environ,
                    timeout=LIMIT_SECONDS,
                    check=True,
                )
                measured[kind].append(json.loads(run.stdout))
    medians = {
        kind: {name: statistics.median(turn[name] for turn in turns) for name in turns[0]}
        for kind, turns in measured.items()
    }
    return {
        kind: {
            **{name: round(value, 3) for name, value in found.items()},
            **{f"{p}_ratio": round(found[f"{p}_ms"] / medians["taking"][f"{p}_ms"], 3) for p in ("p50", "p99")},
        }
        for kind, found in medians.items()
    }


if __name__ == "__main__":
    print(json.dumps(turn(sys.argv[1]) if len(sys.argv) > 1 else {"calls": costs(), "dsns": dsns()}))
