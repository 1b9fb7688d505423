"""The ways in, over HTTP: authorization, encodings, browsers, bad input, and that what is acknowledged is counted."""

import asyncio
import gzip
import random
import socket
import time
import zlib
from typing import Any

import brotli
import httpx2
import orjson
import pytest

from tests.unit.minisentry.conftest import KEY, Server, envelope, wait_until
from tests.unit.minisentry.payloads import error, otlp, otlp_span, transaction

MIB = 1024 * 1024


def counted(server: Server, release: str, dataset: str = "errors") -> int:
    query = f"release:{release}" + (" is_transaction:true" if dataset == "spans" else "")
    answer = server.ask("/events/", dataset=dataset, field="count()", query=query, statsPeriod="1h")
    count: int = answer["data"][0]["count()"]
    return count


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("br", brotli.compress), (None, bytes)],
)
def test_encodings(shared: Server, name: str, encoding: str | None, compress: Any) -> None:
    headers = {"content-encoding": encoding} if encoding else {}
    answer = shared.send(compress(envelope(("event", error(name)))), **headers)
    assert answer.status_code == 200
    assert len(answer.json()["id"]) == 32
    assert counted(shared, name) == 1


def test_authorization(shared: Server, name: str) -> None:
    body, path = envelope(("event", error(name))), "/api/1/envelope/"
    refused = shared.ingest.post(path, content=body)
    assert (refused.status_code, refused.json()["detail"]) == (401, "missing authorization information")
    assert shared.ingest.post(path + f"?sentry_key={KEY}&sentry_version=7", content=body).status_code == 200
    header = {"X-Sentry-Auth": f"Sentry sentry_version=7, sentry_key={KEY}, sentry_client=x/1"}
    assert shared.ingest.post(path, content=body, headers=header).status_code == 200
    in_header = orjson.dumps({"dsn": shared.dsn}) + body[body.index(b"\n") :]
    assert shared.ingest.post(path, content=in_header, headers={"Content-Type": "text/plain"}).status_code == 200
    assert counted(shared, name) == 3


def test_no_page_of_somebody_else_may_send(shared: Server) -> None:
    asked = {"Origin": "http://web", "Access-Control-Request-Method": "POST"}
    assert shared.ingest.options("/api/1/envelope/", headers=asked).status_code == 405
    for answer in (shared.send(b"{}\n", Origin="http://web"), shared.send(b"nonsense", Origin="http://web")):
        assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_otlp(shared: Server, name: str) -> None:
    def post(body: bytes, path: str = "/api/1/integration/otlp/v1/traces/", **headers: str) -> httpx2.Response:
        return shared.ingest.post(
            path,
            content=body,
            headers={"X-Sentry-Auth": f"sentry sentry_key={KEY}", "Content-Type": "application/x-protobuf"} | headers,
        )

    answer = post(otlp(otlp_span(name), otlp_span(name)))
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"", "application/x-protobuf")
    assert post(gzip.compress(otlp(otlp_span(name))), **{"Content-Encoding": "gzip"}).status_code == 200
    assert post(otlp(otlp_span(name)), "/api/1/integration/otlp/v1/traces").status_code == 200
    assert post(b"\xff\xff").status_code == 400
    assert post(b"{}", **{"Content-Type": "application/json"}).status_code == 415
    assert post(otlp(), **{"X-Sentry-Auth": ""}).status_code == 401
    assert counted(shared, name, "spans") == 4


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", {}, 400),
        (b"not an envelope", {}, 400),
        (b'{}\n{"type":"event"}\nnot json', {}, 400),
        (b'{}\n{"type":"event"}\n[]', {}, 400),
        (gzip.compress(b"{}")[:-4], {"content_encoding": "gzip"}, 400),
        (b"{}", {"content_encoding": "gzip"}, 400),
        (b"{}", {"content_encoding": "zstd"}, 415),
        (b'{}\n{"type":"event"}\n{"a":"%s"}' % (b"x" * MIB), {}, 413),
        (b"{}\n" + b"x" * 11 * MIB, {}, 413),
        (gzip.compress(bytes(300 * MIB), 1), {"content_encoding": "gzip"}, 413),
        (brotli.compress(bytes(100 * MIB), quality=1), {"content_encoding": "br"}, 413),
    ],
    ids=lambda value: f"{len(value)} bytes" if isinstance(value, bytes) else None,
)
def test_bad_input_is_refused_and_the_service_goes_on(
    shared: Server, name: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    answer = shared.send(body, **headers)
    assert answer.status_code == status
    assert answer.json()["detail"] == answer.headers["x-sentry-error"]
    shared.sent(("event", error(name)))
    assert counted(shared, name) == 1


def test_many_bombs_at_once_stay_within_memory(shared: Server) -> None:
    bomb = gzip.compress(bytes(200 * MIB), 9)
    before = shared.memory_mib()

    async def drop() -> set[int]:
        async with httpx2.AsyncClient(timeout=60) as http:
            url = f"http://127.0.0.1:{shared.ingest_port}/api/1/envelope/?sentry_key={KEY}"
            posts = [http.post(url, content=bomb, headers={"Content-Encoding": "gzip"}) for _ in range(60)]
            return {answer.status_code for answer in await asyncio.gather(*posts)}

    assert asyncio.run(drop()) == {413}
    assert shared.memory_mib() - before < 60


def test_a_body_that_never_ends_is_cut_off(shared: Server) -> None:
    with socket.create_connection(("127.0.0.1", shared.ingest_port), 10) as sender:
        head = f"POST /api/1/envelope/?sentry_key={KEY} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        sender.sendall(head.encode())
        try:
            for _ in range(1000):
                sender.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        except OSError:
            pass
        else:
            pytest.fail("64 MiB were read")
    assert shared.http.get("/healthz").status_code == 200


def test_a_sender_that_goes_away_leaves_nothing_behind(shared: Server, name: str) -> None:
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", shared.ingest_port), 10) as sender:
            head = f"POST /api/1/envelope/?sentry_key={KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: 9000000\r\n\r\n"
            sender.sendall(head.encode() + b"x" * MIB)
    # 64 MiB may be received at one time: if bodies that are read or gone still counted, the last were too many.
    for _ in range(9):
        assert shared.send(b"{}\n" + b'{"type":"attachment"}\n' + b"x" * 9 * MIB).status_code == 200


def test_random_bytes(shared: Server, name: str) -> None:
    source = random.Random(11)
    whole = envelope(("event", error(name)), ("transaction", transaction(name, 5)))
    for _ in range(400):
        body = bytearray(whole)
        for _ in range(source.randrange(1, 6)):
            body[source.randrange(len(body))] = source.randrange(256)
        encoding = source.choice(["", "gzip", "br", "deflate"])
        answer = shared.send(bytes(body), content_encoding=encoding)
        assert answer.status_code in (200, 400, 413), answer.text
        answer = shared.export(source.randbytes(source.randrange(60)))
        assert answer.status_code in (200, 400), answer.text


def test_other_paths(shared: Server) -> None:
    assert shared.ingest.get(f"/api/1/envelope/?sentry_key={KEY}").status_code == 405
    assert shared.ingest.post("/api/1/store/", content=b"{}").status_code == 404
    assert shared.http.get("/api/0/nothing/").json()["detail"]


def test_counts_are_exact_under_concurrency(shared: Server, name: str) -> None:
    other = name.replace("1.0.0", "2.0.0")

    async def send() -> None:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{shared.ingest_port}", timeout=30) as http:

            async def one(number: int) -> None:
                release = name if number % 3 else other
                items = [("event", error(release, fingerprint=[name])), ("transaction", transaction(release, number))]
                answer = await http.post(f"/api/1/envelope/?sentry_key={KEY}", content=envelope(*items))
                assert answer.status_code == 200

            await asyncio.gather(*(one(number) for number in range(600)))

    asyncio.run(send())
    for release, expected in ((name, 400), (other, 200)):
        assert counted(shared, release) == expected
        assert counted(shared, release, "spans") == expected
        (issue,) = shared.ask("/issues/", query=f"release:{release} first-release:[{name},{other}]")
        assert issue["count"] == "600"


def test_metrics(shared: Server, name: str) -> None:
    shared.sent(("event", error(name)))
    text = httpx2.get(f"http://127.0.0.1:{shared.metrics_port}/metrics").text
    assert 'minisentry_ingest_requests_total{kind="envelope",status="200"}' in text
    assert 'minisentry_ingest_items_total{type="event"}' in text


def test_without_redis_nothing_is_acknowledged(own: Server, name: str) -> None:
    own.sent(("event", error(name)))
    own.end("redis")
    assert own.send(envelope(("event", error(name)))).status_code == 503
    assert own.http.get("/readyz").status_code == 503
    assert own.http.get("/healthz").status_code == 200
    assert own.call("GET", "/releases/").status_code == 503
    own.start_redis()
    wait_until(own.ready)
    own.sent(("event", error(name)))
    assert counted(own, name) == 2


def test_what_was_acknowledged_outlives_both_processes(own: Server, name: str) -> None:
    for killed in ("minisentry", "redis"):
        for _ in range(10):
            own.sent(("event", error(name)), ("transaction", transaction(name, 5)))
        own.end(killed, 9)
        if killed == "minisentry":
            own.start()
        else:
            own.start_redis()
            wait_until(own.ready)
    assert counted(own, name) == counted(own, name, "spans") == 20
    (issue,) = own.ask("/issues/", query=f"first-release:{name}")
    assert issue["count"] == "20"


def test_sigterm_answers_what_is_under_way(own: Server, name: str) -> None:
    body = envelope(("event", error(name)))
    with socket.create_connection(("127.0.0.1", own.ingest_port), 10) as sender:
        head = f"POST /api/1/envelope/?sentry_key={KEY} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        sender.sendall(head.encode() + body[:10])
        time.sleep(0.2)
        own.processes["minisentry"].terminate()
        time.sleep(0.2)
        sender.sendall(body[10:])
        assert sender.recv(4096).startswith(b"HTTP/1.1 200")
    assert own.processes["minisentry"].wait(10) == 0
    own.start()
    assert counted(own, name) == 1


@pytest.mark.parametrize("variable", ["PORT", "INGEST_PORT", "METRICS_PORT"])
def test_a_port_in_use(own: Server, variable: str) -> None:
    own.end("minisentry")
    taken = {"PORT": own.port, "INGEST_PORT": own.ingest_port, "METRICS_PORT": own.metrics_port}[variable]
    with socket.create_server(("127.0.0.1", taken)):
        own.launch()
        assert own.processes["minisentry"].wait(30) == 1
    assert f"{variable}: cannot listen on 127.0.0.1:{taken}" in own.log()
