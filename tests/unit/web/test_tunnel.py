"""What browsers report goes to one place, in bounds, whatever they say of where it should go."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import pytest
from reelback_web.rates import MAX_ADDRESSES, Rates
from reelback_web.tunnel import MAX_BODY, Destination, Refused, readdressed

from tests.unit.common.ports import free_port
from tests.unit.web.conftest import KEY, Sentry, Start, Web

ITEM = b'{"type":"event"}\n{"message":"x"}\n'


def envelope(**header: Any) -> bytes:
    return orjson.dumps(header) + b"\n" + ITEM


def report(web: Web, content: bytes, **headers: str) -> int:
    return web.http.post("/telemetry", content=content, headers={"Content-Type": "text/plain", **headers}).status_code


@pytest.fixture
def web(start: Start, sentry: Sentry) -> Web:
    return start(BROWSER_DSN=sentry.dsn)


def test_an_envelope_goes_to_the_dsn_that_is_configured(web: Web, sentry: Sentry) -> None:
    said = {"event_id": "a" * 32, "dsn": "http://other@evil.example/1", "x": 1, "trace": {"release": "web@1.4.0"}}
    assert report(web, envelope(**said)) == 200
    ((path, auth, body),) = sentry.received
    line, _, items = body.partition(b"\n")
    assert path == "/api/2/envelope/"
    assert f"sentry_key={KEY}" in auth
    assert orjson.loads(line) == {"event_id": "a" * 32, "trace": {"release": "web@1.4.0"}, "dsn": sentry.dsn}
    assert items == ITEM


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"", {}, 400),
        (b"nonsense\n{}", {}, 400),
        (b"[]\n{}", {}, 400),
        (b"{}", {}, 400),
        (b"{}\n" + b"x" * MAX_BODY, {}, 413),
        (envelope(), {"Content-Encoding": "gzip"}, 415),
        (envelope(), {"Sec-Fetch-Site": "cross-site"}, 403),
        (envelope(), {"Sec-Fetch-Site": "same-site"}, 403),
    ],
)
def test_what_is_no_envelope_of_these_pages_is_not_passed_on(
    web: Web, sentry: Sentry, content: bytes, headers: dict[str, str], status: int
) -> None:
    assert report(web, content, **headers) == status
    assert sentry.received == []


def test_a_body_of_unknown_length_is_cut_off(web: Web, sentry: Sentry) -> None:
    answer = web.http.post("/telemetry", content=iter([envelope(), *[b"x" * 65536] * (MAX_BODY // 65536)]))
    assert answer.status_code == 413
    assert sentry.received == []


def test_how_to_slow_down_is_passed_back_and_nothing_else(web: Web, sentry: Sentry) -> None:
    sentry.status, sentry.headers = 429, {"Retry-After": "7", "X-Sentry-Rate-Limits": "7::key"}
    answer = web.http.post("/telemetry", content=envelope())
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert answer.headers["x-sentry-rate-limits"] == "7::key"
    assert "x-sentry-error" not in answer.headers
    assert answer.json() == {}


def test_when_nobody_takes_it_browsers_are_told_to_wait(start: Start) -> None:
    web = start(BROWSER_DSN=f"http://{KEY}@127.0.0.1:{free_port()}/2")
    answer = web.http.post("/telemetry", content=envelope())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")
    assert KEY not in web.log.read_text()


def test_without_a_dsn_nothing_is_taken(start: Start) -> None:
    web = start()
    assert report(web, envelope()) == 404
    assert web.http.get("/settings.json").json()["dsn"] is None
    assert web.http.get("/telemetry").status_code == 404


def test_an_address_has_a_share(web: Web) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: report(web, envelope()), range(150)))
    assert answers.count(429) >= 30
    assert answers.count(200) >= 30
    assert set(answers) == {200, 429}
    assert web.http.get("/").status_code == 200


def test_a_share_grows_back_and_is_each_addresss_own() -> None:
    now = 0.0
    rates = Rates(4, 8, lambda: now)
    assert [rates.wait("a") for _ in range(9)] == [0] * 8 + [1]
    assert rates.wait("b") == 0
    now = 1.0
    assert [rates.wait("a") for _ in range(5)] == [0] * 4 + [1]


def test_no_more_addresses_are_remembered_than_there_is_room_for() -> None:
    rates = Rates(1, 1, lambda: 0.0)
    assert rates.wait("first") == 0
    assert rates.wait("first") > 0
    for number in range(MAX_ADDRESSES):
        rates.wait(str(number))
    assert rates.wait("first") == 0


@pytest.mark.parametrize(
    ("dsn", "url"),
    [
        ("https://key@o1.ingest.sentry.example/42", "https://o1.ingest.sentry.example/api/42/envelope/"),
        ("https://key@sentry.example:9000/deep/42", "https://sentry.example:9000/deep/api/42/envelope/"),
    ],
)
def test_envelopes_have_their_place_below_a_dsns_path(dsn: str, url: str) -> None:
    assert Destination.of(dsn).url == url


def test_a_header_that_is_no_object_is_refused() -> None:
    with pytest.raises(Refused):
        readdressed(b"1\n", "http://k@h/1")
