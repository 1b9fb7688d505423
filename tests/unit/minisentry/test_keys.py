"""Who is believed: the keys of DSNs, at both ways in, and what kind of sender each of them makes."""

import hashlib
from typing import Any

import httpx2
import orjson
import pytest

from tests.unit.minisentry.conftest import BROWSER_KEY, KEY, Server, envelope
from tests.unit.minisentry.payloads import FAILED, error, otlp, otlp_span, trace_id, transaction

UNKNOWN = "event submission rejected with_reason: ProjectId"


def figures(server: Server, release: str, project: str = "1") -> tuple[int, int, int, int]:
    """Requests, failures, errors and sessions of a release, as a rollout asks for them."""
    common = {"project": project, "statsPeriod": "1h"}
    query = f"release:[{orjson.dumps(release).decode()}]"
    spans = server.ask(
        "/events/",
        dataset="spans",
        field=["count()", "failure_count()"],
        query=f"is_transaction:true {query}",
        disableAggregateExtrapolation="1",
        **common,
    )["data"][0]
    errors = server.ask("/events/", dataset="errors", field="count()", query=query, **common)["data"][0]
    sessions = server.ask("/sessions/", field="sum(session)", query=query, interval="1h", **common)["groups"]
    whole = sum(group["totals"]["sum(session)"] for group in sessions)
    return spans["count()"], spans["failure_count()"] or 0, errors["count()"], whole


def failures(release: str) -> bytes:
    """An envelope that makes a release look bad in every way."""
    crashes = {"attrs": {"release": release, "environment": "test"}, "aggregates": [{"started": 0, "crashed": 9}]}
    return envelope(
        ("event", error(release)), ("transaction", transaction(release, 1, "internal_error")), ("sessions", crashes)
    )


@pytest.mark.parametrize(
    "forged",
    [
        {"params": {"sentry_key": "anything"}},
        {"params": {"sentry_key": KEY + "x"}},
        {"params": {"sentry_key": KEY[:-1]}},
        {"headers": {"X-Sentry-Auth": "Sentry sentry_version=7, sentry_key=anything"}},
        {"headers": {"Authorization": "Sentry sentry_key=anything"}},
        {"dsn": "http://anything@127.0.0.1/1"},
        {"params": {"sentry_key": "anything"}, "headers": {"X-Sentry-Auth": "Sentry sentry_key=else"}},
    ],
    ids=str,
)
def test_what_is_forged_moves_no_figure_of_a_healthy_release(shared: Server, name: str, forged: dict[str, Any]) -> None:
    shared.sent(("transaction", transaction(name, 5)))
    before = figures(shared, name)
    assert before == (1, 0, 0, 0)
    body = failures(name)
    if dsn := forged.get("dsn"):
        body = orjson.dumps({"dsn": dsn}) + body[body.index(b"\n") :]
    sent = {key: forged[key] for key in ("params", "headers") if key in forged}
    answers = [shared.ingest.post("/api/1/envelope/", content=body, **sent)]
    if "dsn" not in forged:
        sent["headers"] = {**sent.get("headers", {}), "Content-Type": "application/x-protobuf"}
        spans = otlp(*(otlp_span(name, status=FAILED) for _ in range(9)))
        answers.append(shared.ingest.post("/api/1/integration/otlp/v1/traces/", content=spans, **sent))
    for answer in answers:
        assert (answer.status_code, answer.json()) == (403, {"detail": UNKNOWN})
        assert answer.headers["x-sentry-error"] == UNKNOWN
    assert figures(shared, name) == before


def test_every_place_for_a_key_is_read(shared: Server, name: str) -> None:
    def headers(auth: dict[str, str]) -> dict[str, str]:
        return {**auth, "Content-Type": "application/x-protobuf"}

    for auth in ({"X-Sentry-Auth": f"sentry sentry_key={KEY}"}, {"Authorization": f"Sentry sentry_key={KEY}"}):
        assert shared.ingest.post("/api/1/envelope/", content=failures(name), headers=auth).status_code == 200
        sent = otlp(otlp_span(name))
        path = "/api/1/integration/otlp/v1/traces/"
        assert shared.ingest.post(path, content=sent, headers=headers(auth)).status_code == 200
    assert figures(shared, name)[0] == 4


@pytest.mark.parametrize("dsn", [None, 5, "", "no url", "http://127.0.0.1/1", "http://[x/1", "http://%zz@h/1"])
def test_an_envelope_without_a_key_is_not_taken(shared: Server, name: str, dsn: object) -> None:
    body = failures(name)
    answer = shared.ingest.post("/api/1/envelope/", content=orjson.dumps({"dsn": dsn}) + body[body.index(b"\n") :])
    assert answer.status_code in (401, 403)
    assert figures(shared, name) == (0, 0, 0, 0)


def test_a_browser_counts_for_its_own_project_and_releases_only(shared: Server, name: str) -> None:
    own = f"web@1.{int(hashlib.sha256(name.encode()).hexdigest()[:6], 16)}.0"
    assert shared.send(failures(own), "2", BROWSER_KEY).status_code == 200
    assert figures(shared, own, "2") == (1, 1, 1, 9)
    assert figures(shared, own, "1") == (0, 0, 0, 0)
    shared.sent(("transaction", transaction(name, 5)))
    for project, key, status in (("1", BROWSER_KEY, 403), ("2", BROWSER_KEY, 403), ("2", KEY, 403)):
        assert shared.send(failures(name), project, key).status_code == status
        assert shared.export(otlp(otlp_span(name, status=FAILED)), project, key).status_code == status
    for project in ("1", "2", "-1"):
        assert figures(shared, name, project) == ((0, 0, 0, 0) if project == "2" else (1, 0, 0, 0))


@pytest.mark.parametrize(
    "item",
    [
        ("event", error("payment@9.9.9")),
        ("transaction", transaction("payment@9.9.9", 1)),
        ("session", {"sid": "a", "init": True, "attrs": {"release": "payment@9.9.9"}}),
        ("sessions", {"attrs": {"release": "payment@9.9.9"}, "aggregates": [{"started": 0, "crashed": 1}]}),
        (
            "trace_metric",
            {
                "items": [
                    {
                        "name": "m",
                        "type": "counter",
                        "value": 1,
                        "attributes": {"sentry.release": {"value": "payment@9.9.9"}},
                    }
                ]
            },
        ),
        (
            "span",
            {
                "items": [
                    {
                        "trace_id": trace_id(),
                        "span_id": "a" * 16,
                        "is_segment": True,
                        "attributes": {"sentry.release": {"value": "payment@9.9.9"}},
                    }
                ]
            },
        ),
    ],
    ids=lambda item: item[0],
)
def test_no_item_of_a_browser_may_name_a_servers_release(shared: Server, item: tuple[str, dict[str, Any]]) -> None:
    answer = shared.send(envelope(item), "2", BROWSER_KEY)
    assert (answer.status_code, answer.json()["detail"]) == (403, "release: this key is for web@<version> alone")
    assert shared.call("GET", "/releases/payment@9.9.9/").status_code == 404


def test_a_browser_makes_no_release(shared: Server) -> None:
    assert shared.send(failures("web@7.7.7"), "2", BROWSER_KEY).status_code == 200
    assert shared.call("GET", "/releases/web@7.7.7/").status_code == 404


def test_telemetry_is_taken_on_its_own_port_alone(shared: Server, name: str) -> None:
    for path in ("/api/1/envelope/", "/api/1/integration/otlp/v1/traces/"):
        answer = shared.http.post(path, params={"sentry_key": KEY}, content=failures(name))
        assert answer.status_code == 404
    for path in ("/", "/healthz", "/api/0/organizations/reelback/releases/", "/board/data/overview"):
        assert shared.ingest.get(path, headers={"Authorization": "Bearer a-token-of-tests"}).status_code == 404
    assert figures(shared, name) == (0, 0, 0, 0)


HOSTS = [
    ("127.0.0.1", 200),
    ("127.0.0.1:8090", 200),
    ("[::1]:8090", 200),
    ("10.244.0.7:8090", 200),
    ("localhost:11090", 200),
    ("minisentry:8090", 200),
    ("minisentry.reelback", 200),
    ("minisentry.reelback.svc.cluster.local:8090", 200),
    ("BOARD.example.com", 200),
    ("rebound.example", 421),
    ("minisentry.attacker.example", 421),
    ("minisentry.attacker.svc.example.com", 421),
    ("xlocalhost", 421),
    ("127.0.0.1.attacker.example", 421),
    ("2130706433.attacker.example:8090", 421),
    ("", 421),
]


@pytest.mark.parametrize("path", ["/", "/board/data/overview", "/api/0/organizations/reelback/releases/"])
def test_a_name_that_is_not_the_boards_own_gets_nothing(named: Server, path: str) -> None:
    for host, status in HOSTS:
        headers = {"Host": host, "Authorization": "Bearer a-token-of-tests"}
        assert named.http.get(path, headers=headers).status_code == status, host


@pytest.mark.parametrize("path", ["/", "/issues/1", "/board/main.js", "/board/data/overview", "/nothing", "/healthz"])
def test_every_answer_has_the_headers_of_a_page(shared: Server, path: str) -> None:
    for headers in ({}, {"Host": "rebound.example"}):
        answer: httpx2.Response = shared.http.get(path, headers=headers)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert (answer.headers["x-content-type-options"], answer.headers["referrer-policy"]) == (
            "nosniff",
            "no-referrer",
        )


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MINISENTRY_KEY", "short"), ("MINISENTRY_KEY", "with:colons@in"), ("MINISENTRY_BROWSER_KEY", "a b c d e f")],
)
def test_a_key_that_no_dsn_can_hold_is_refused_by_name(own: Server, variable: str, value: str) -> None:
    own.end("minisentry")
    own.variables[variable] = value
    own.launch()
    assert own.processes["minisentry"].wait(30) == 2
    assert f"{variable}: " in own.log()
    assert value not in own.log()
