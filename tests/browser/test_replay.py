"""Replays in a browser: rrweb's player plays what was recorded, and what a stranger made up loads and runs nothing."""

from __future__ import annotations

import asyncio
import http.server
import threading
import time
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from reelback_common.chromium import Chromium, Page
from reelback_local import player

from tests.local.stack import until
from tests.unit.minisentry.conftest import BROWSER_KEY, Server

RECORDED = "530f082d400041d5a357149ddd4ae29c"
FRAME = "document.querySelector('.replayer-wrapper iframe')"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    asyncio.run(player.build())
    running = Server(tmp_path_factory.mktemp("minisentry"), {"PLAYER_FOLDER": str(player.built())})
    running.start_redis()
    running.start()
    yield running
    running.close()


class Spy(http.server.ThreadingHTTPServer):
    """A server that remembers what it is asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked: list[str] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Asked(http.server.BaseHTTPRequestHandler):
    server: Spy

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def element(number: int, tag: str, *children: Any, **attributes: str) -> dict[str, Any]:
    named = {name.strip("_").replace("_", "-"): value for name, value in attributes.items()}
    return {"type": 2, "id": number, "tagName": tag, "attributes": named, "childNodes": list(children)}


def text(number: int, content: str, style: bool = False) -> dict[str, Any]:
    return {"type": 3, "id": number, "textContent": content, "isStyle": style}


def forged(spy: str) -> bytes:
    """A recording of a page that asks for things of elsewhere, and would run scripts."""
    body = element(
        20,
        "body",
        element(21, "p", text(22, "forged")),
        element(23, "img", src=f"{spy}/img", onerror="top.ran = 1"),
        element(24, "script", text(25, "top.ran = 2")),
        element(26, "iframe", src=f"{spy}/frame"),
        element(27, "object", data=f"{spy}/object"),
        element(28, "video", src=f"{spy}/video", poster=f"{spy}/poster", autoplay=""),
        element(29, "a", text(30, "link"), href="javascript:top.ran=3", ping=f"{spy}/ping"),
        element(31, "svg", element(32, "image", href=f"{spy}/svg", onload="top.ran = 4")),
        element(33, "div", style=f"background: url({spy}/background)"),
        element(34, "form", element(35, "input", name="a"), action=f"{spy}/form"),
        onload="top.ran = 5",
    )
    head = element(
        10,
        "head",
        element(11, "meta", http_equiv="refresh", content=f"0; url={spy}/refresh"),
        element(12, "link", rel="stylesheet", href=f"{spy}/style"),
        element(13, "style", text(14, f"@import url({spy}/import); p {{ background: url({spy}/css) }}", style=True)),
        element(15, "base", href=f"{spy}/"),
    )
    document = {
        "type": 0,
        "id": 1,
        "childNodes": [
            {"type": 1, "id": 2, "name": "html", "publicId": "", "systemId": ""},
            element(3, "html", head, body),
        ],
    }
    at = int(time.time() * 1000)
    events = [
        {"type": 4, "timestamp": at, "data": {"href": f"{spy}/", "width": 800, "height": 600}},
        {"type": 2, "timestamp": at + 1, "data": {"node": document, "initialOffset": {"top": 0, "left": 0}}},
        {
            "type": 3,
            "timestamp": at + 500,
            "data": {
                "source": 0,
                "texts": [],
                "attributes": [],
                "removes": [],
                "adds": [
                    {
                        "parentId": 20,
                        "nextId": None,
                        "node": element(50, "img", src=f"{spy}/later", onerror="top.ran = 6"),
                    },
                    {"parentId": 20, "nextId": None, "node": element(51, "script", src=f"{spy}/script")},
                ],
            },
        },
        {"type": 3, "timestamp": at + 1000, "data": {"source": 1, "positions": []}},
    ]
    return zlib.compress(orjson.dumps(events))


def sent(server: Server, replay_id: str, recording: bytes) -> None:
    event = orjson.dumps(
        {
            "type": "replay_event",
            "replay_id": replay_id,
            "segment_id": 0,
            "timestamp": time.time(),
            "release": "web@1.4.0",
            "environment": "test",
        }
    )
    body = b'{"segment_id":0}\n' + recording
    lines = [orjson.dumps({"event_id": replay_id})]
    for kind, payload in (("replay_event", event), ("replay_recording", body)):
        lines += [orjson.dumps({"type": kind, "length": len(payload)}), payload]
    answer = server.send(b"\n".join(lines), "2", BROWSER_KEY)
    assert answer.status_code == 200, answer.text


def played(page: Page, address: str) -> None:
    """Open a replay and let it play to its end."""
    page.open(address)
    page.wait(".rr-controller")
    page.run("document.querySelector('.rr-controller button').click()")
    until(lambda: page.run(f"!!{FRAME}?.contentDocument?.body?.childElementCount"), "the recorded page")
    until(lambda: page.run("parseFloat(document.querySelector('.rr-progress__step').style.width) > 99"), "the end", 40)


def test_a_recording_is_played(server: Server, browser: Chromium) -> None:
    server.recorded("error")
    server.recorded("replay")
    with browser.page() as page:
        played(page, f"http://127.0.0.1:{server.port}/replays/{RECORDED}")
        shown = page.run(f"{FRAME}.contentDocument.body.innerText")
        assert set(shown.split()) == {"****", "*" * 10}, "a heading and three buttons, masked"
        assert page.run(f"{FRAME}.contentDocument.querySelector('input').value") == "*" * len("secret words")
        assert "TypeError: e.lines is not iterable" in page.text("main")
        assert page.complaints() == []


def test_a_forged_recording_runs_nothing_and_asks_nobody(server: Server, browser: Chromium) -> None:
    replay_id = uuid.uuid4().hex
    with Spy() as spy, browser.page() as page:
        sent(server, replay_id, forged(f"http://127.0.0.1:{spy.server_port}"))
        address = f"http://127.0.0.1:{server.port}/replays/{replay_id}"
        played(page, address)
        assert "forged" in page.run(f"{FRAME}.contentDocument.body.innerText")
        assert page.run("[window.ran ?? null, location.href]") == [None, address]
        assert spy.asked == []
