"""The pages as browsers get them: compressed, kept for as long as they may be, under a strict policy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import brotli
import pytest
from reelback_web.files import NoPages, load

from tests.unit.web.conftest import SCRIPT, Start, Web

ASSET = "/assets/index-abc.js"


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("br;q=0.0", None),
        ("BR", "br"),
        ("identity", None),
        ("zstd, ;;,", None),
    ],
)
def test_a_file_comes_in_the_best_form_that_is_accepted(web: Web, accepted: str, encoding: str | None) -> None:
    with web.http.stream("GET", ASSET, headers={"Accept-Encoding": accepted}) as answer:
        raw = b"".join(answer.iter_raw())
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"].startswith("text/javascript")
    if encoding == "br":
        assert brotli.decompress(raw) == SCRIPT
    assert len(raw) == int(answer.headers["content-length"])
    assert (len(raw) < len(SCRIPT)) == bool(encoding)


def test_what_has_a_hash_in_its_name_is_kept_and_the_page_is_asked_for_again(web: Web) -> None:
    assert web.http.get(ASSET).headers["cache-control"] == "public, max-age=31536000, immutable"
    page = web.http.get("/")
    assert (page.status_code, page.headers["cache-control"]) == (200, "no-cache")
    again = web.http.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert web.http.get("/", headers={"If-None-Match": '"another"'}).status_code == 200


def test_a_page_may_run_its_own_files_and_call_the_gateway_and_nothing_else(start: Start) -> None:
    headers = start(GATEWAY_ADDRESS="api.example.com:8443").http.get("/").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"].split() == [
        "'self'",
        "api.example.com:8443",
        "ws://api.example.com:8443",
        "wss://api.example.com:8443",
    ]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_without_a_gateway_of_its_own_a_page_calls_where_it_is_from(web: Web) -> None:
    assert "connect-src 'self';" in web.http.get("/").headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/nothing", "/assets/", "/../pyproject.toml", "/%2e%2e/conftest.py", "/assets/x.br"])
def test_what_is_not_in_the_build_is_not_there(web: Web, path: str) -> None:
    answer = web.http.get(path)
    assert answer.status_code == 404
    assert "content-security-policy" in answer.headers


def test_settings_are_told_at_run_time(start: Start) -> None:
    told = start(
        GATEWAY_ADDRESS="127.0.0.1:8080",
        BROWSER_DSN="http://public@minisentry-ingest:8091/2",
        BROWSER_SAMPLE_RATE="0.25",
        DEBUG_PANEL="true",
        SENTRY_WEB_URL="http://127.0.0.1:8090/organizations/reelback/",
        SENTRY_ENVIRONMENT="demo",
        REELBACK_FAULTS='{"web.spin.error_rate": 0.5, "payment.charge.error_rate": 1}',
    ).http.get("/settings.json")
    assert told.json() == {
        "gateway": "127.0.0.1:8080",
        "dsn": "http://public@tunnel.invalid/2",
        "release": "web@1.4.0",
        "environment": "demo",
        "traces_sample_rate": 0.25,
        "replay_sample_rate": 0.0,
        "debug_panel": True,
        "sentry_web_url": "http://127.0.0.1:8090/organizations/reelback/",
        "faults": {"web.spin.error_rate": 0.5},
    }
    assert told.headers["cache-control"] == "no-store"


def test_a_page_has_its_settings_in_it_whatever_they_hold(start: Start) -> None:
    web = start(SENTRY_RELEASE="web@1.5.0", SENTRY_ENVIRONMENT="</script><script>alert(1)//<!--")
    told = web.http.get("/settings.json").json()
    for encoding in ("identity", "gzip", "br"):
        page = web.http.get("/", headers={"Accept-Encoding": encoding})
        inside = page.text.partition('id="settings">')[2].partition("</script>")
        assert json.loads(inside[0]) == told
        assert inside[2] == ""
    assert told["release"] == "web@1.5.0"


def test_the_debug_panel_is_not_in_production(start: Start) -> None:
    told = start(DEBUG_PANEL="true", SENTRY_WEB_URL="https://sentry.example/", SENTRY_ENVIRONMENT="production")
    settings = told.http.get("/settings.json").json()
    assert (settings["debug_panel"], settings["sentry_web_url"]) == (False, "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GATEWAY_ADDRESS", "http://gateway:8080"),
        ("GATEWAY_ADDRESS", "a b; script-src *"),
        ("BROWSER_DSN", "https://sentry.example/1"),
        ("BROWSER_DSN", "https://a-key@sentry.example/1"),
        ("BROWSER_SAMPLE_RATE", "2"),
        ("REPLAY_SAMPLE_RATE", "-1"),
        ("SENTRY_WEB_URL", "javascript:alert(1)"),
        ("SITE_FOLDER", "/nowhere"),
        ("SITE_FOLDER", os.path.dirname(__file__)),
    ],
)
def test_a_bad_variable_is_named(site: Path, name: str, value: str) -> None:
    env = {**os.environ, "PORT": "0", "METRICS_PORT": "0", "SITE_FOLDER": str(site), name: value}
    run = subprocess.run(
        [sys.executable, "-m", "reelback_web"], env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode != 0
    assert name in run.stderr
    assert "Traceback" not in run.stderr


def test_a_folder_without_a_page_is_no_build(tmp_path: Path) -> None:
    with pytest.raises(NoPages, match=r"index\.html"):
        load(tmp_path)


def test_it_ends_when_told(web: Web) -> None:
    web.popen.send_signal(signal.SIGTERM)
    assert web.popen.wait(timeout=30) == 0, web.log.read_text()
