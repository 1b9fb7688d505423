"""While two releases serve, a page of one gets its files whoever is asked."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from reelback_web.peers import ASKED_BY_PEER

from tests.unit.web.conftest import SCRIPT, Start

ASSET = "/assets/index-abc.js"


@pytest.fixture
def another_site(tmp_path: Path) -> Path:
    folder = tmp_path / "another"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>Reelback</title>")
    return folder


def test_a_file_of_another_release_comes_from_a_process_that_has_it(start: Start, another_site: Path) -> None:
    port = start().http.base_url.port
    new = start(SITE_FOLDER=str(another_site), WEB_PEERS=f"127.0.0.1:{port}")
    answer = new.http.get(ASSET)
    assert (answer.status_code, answer.content) == (200, SCRIPT)
    assert answer.headers["cache-control"].endswith("immutable")
    assert answer.headers["content-type"].startswith("text/javascript")
    for path in ("/assets/index-abd.js", "/settings.json/../assets/x", "/nothing"):
        assert new.http.get(path).status_code == 404


def test_a_process_that_is_asked_by_another_asks_nobody(start: Start, another_site: Path) -> None:
    new = start(SITE_FOLDER=str(another_site), WEB_PEERS=f"127.0.0.1:{start().http.base_url.port}")
    assert new.http.get(ASSET, headers={ASKED_BY_PEER: "1"}).status_code == 404


@pytest.mark.parametrize("peers", ["127.0.0.1:1", "nowhere.invalid:80"])
def test_without_an_answer_a_file_is_not_there(start: Start, peers: str) -> None:
    web = start(WEB_PEERS=peers)
    began = time.monotonic()
    assert web.http.get("/assets/index-abd.js").status_code == 404
    assert time.monotonic() - began < 5
