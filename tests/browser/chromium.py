"""A page in a headless Chromium, driven over the DevTools protocol: no more of it than these tests need."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from websockets.sync.client import ClientConnection, connect

from tests.local.stack import until

NAMES = ("chromium", "chromium-browser", "google-chrome")


def executable() -> str | None:
    """Chromium on the PATH."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One tab. `events` are those that came, each with its method and parameters."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **parameters: Any) -> Any:
        """Ask for something, and wait for the answer."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(timeout=30))
            if message.get("id") == number:
                assert "error" not in message, message
                return message["result"]
            self.events.append(message)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        self.send("Page.navigate", url=url)

    def wait(self, selector: str, seconds: float = 30) -> None:
        """Until something that is seen matches."""
        until(lambda: self.run(f"!!{_one(selector)}?.checkVisibility()"), f"{selector}: {self.text('body')}", seconds)

    def text(self, selector: str) -> str:
        found: str = self.run(f"{_one(selector)}?.innerText ?? ''")
        return found

    def click(self, selector: str, times: int = 1) -> None:
        self.wait(selector)
        self.run(f"for (let n = 0; n < {times}; n++) {_one(selector)}.click()")

    def fill(self, name: str, value: str) -> None:
        """Type into the field of this name."""
        self.click(f"input[name={name}]")
        self.run(f"{_one(f'input[name={name}]')}.select?.(), {_one(f'input[name={name}]')}.focus()")
        self.send("Input.insertText", text=value)

    def offline(self, away: bool) -> None:
        """Cut the page off from every network, or let it back."""
        self.send(
            "Network.emulateNetworkConditions", offline=away, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    def complaints(self) -> list[str]:
        """Errors of the console, refusals of the content security policy among them, and exceptions."""
        found = [event["params"] for event in self.events if event["method"] == "Runtime.exceptionThrown"]
        logged = [event["params"]["entry"] for event in self.events if event["method"] == "Log.entryAdded"]
        return [str(each) for each in found] + [entry["text"] for entry in logged if entry["level"] == "error"]


@contextmanager
def page(folder: Path) -> Iterator[Page]:
    """A tab of a Chromium of its own, whose profile is in `folder`."""
    found = executable()
    assert found
    # Root has no sandbox; what is looked at is our own.
    command = [found, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}", "--disable-gpu"]
    command += ["--no-first-run", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.getuid() == 0 else [])]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "about:blank"], stdout=log, stderr=log)
    try:
        port = folder / "DevToolsActivePort"
        until(lambda: port.is_file() and port.read_text().count("\n"), "Chromium", 60)
        address = f"http://127.0.0.1:{port.read_text().splitlines()[0]}/json/list"
        tab = next(each for each in httpx2.get(address, timeout=30).json() if each["type"] == "page")
        with connect(tab["webSocketDebuggerUrl"], max_size=None) as socket:
            yield Page(socket)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _one(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"
