"""Pages in a headless Chromium, driven over the DevTools protocol: no more of it than players and tests need."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")

START_SECONDS = 60.0
ANSWER_SECONDS = 30.0

T = TypeVar("T")


class NotSo(Exception):
    """A page or the browser did not do what was waited for. The message is one line."""


def executable() -> str | None:
    """Chromium on the PATH."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class DevTools:
    """What is said to a browser or to one of its tabs. `events` are those that came, with method and parameters."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.events: list[dict[str, Any]] = []

    def send(self, method: str, **parameters: Any) -> Any:
        """Ask for something, and wait for the answer. Raises NotSo."""
        number = next(self._ids)
        try:
            self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
            while True:
                message = json.loads(self._socket.recv(timeout=ANSWER_SECONDS))
                if message.get("id") == number:
                    break
                self.events.append(message)
        except (OSError, TimeoutError, WebSocketException) as error:
            raise NotSo(f"{method}: {type(error).__name__}") from None
        if "error" in message:
            raise NotSo(f"{method}: {message['error'].get('message')}")
        return message["result"]


class Page(DevTools):
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.send(f"{domain}.enable")

    def run(self, script: str) -> Any:
        """The value of an expression in the page. Raises NotSo."""
        answer = self.send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise NotSo(str(answer))
        return answer["result"].get("value")

    def open(self, url: str) -> None:
        """Go to an address, without waiting for what is there."""
        self.send("Page.navigate", url=url)

    def sees(self, selector: str) -> bool:
        """Whether something that is seen matches."""
        return bool(self.run(f"!!{_one(selector)}?.checkVisibility()"))

    def wait(self, selector: str, seconds: float = 30) -> None:
        """Until something that is seen matches. Raises NotSo."""
        until(lambda: self.sees(selector), lambda: f"{selector} in {self.text('body')!r}", seconds)

    def text(self, selector: str) -> str:
        """What the first match has written on it; "" without one."""
        found: str = self.run(f"{_one(selector)}?.innerText ?? ''")
        return found

    def click(self, selector: str, times: int = 1) -> None:
        """Click on the first match, once it is there."""
        self.wait(selector)
        self.run(f"for (let n = 0; n < {times}; n++) {_one(selector)}.click()")

    def fill(self, name: str, value: str) -> None:
        """Type into the field of this name."""
        field = f"[name={json.dumps(name)}]"
        self.click(field)
        self.run(f"{_one(field)}.select?.(), {_one(field)}.focus()")
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


@dataclass(frozen=True)
class Chromium:
    """A browser that runs. `address` is its DevTools' host and port, `path` the browser's own place there."""

    address: str
    path: str

    @contextmanager
    def page(self) -> Iterator[Page]:
        """A tab that shares nothing with any other: no storage, no cache, no connection."""
        with self._connected(self.path) as line:
            browser = DevTools(line)
            context = browser.send("Target.createBrowserContext")["browserContextId"]
            try:
                target = browser.send("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
                with self._connected(f"/devtools/page/{target}") as tab:
                    yield Page(tab)
            finally:
                browser.send("Target.disposeBrowserContext", browserContextId=context)

    def _connected(self, path: str) -> ClientConnection:
        return connect(f"ws://{self.address}{path}", max_size=None, open_timeout=ANSWER_SECONDS)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[Chromium]:
    """A Chromium of its own, whose profile is in `folder`, with further arguments. Raises NotSo."""
    found = executable()
    if not found:
        raise NotSo("there is no chromium on the PATH")
    # Root has no sandbox; what is looked at is our own.
    command = [found, "--headless=new", "--remote-debugging-port=0", f"--user-data-dir={folder}", "--disable-gpu"]
    command += ["--no-first-run", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.getuid() == 0 else [])]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, *arguments, "about:blank"], stdout=log, stderr=log)  # noqa: S603
    try:
        port = folder / "DevToolsActivePort"
        until(lambda: port.is_file() and port.read_text().count("\n"), lambda: "Chromium starts", START_SECONDS)
        number, path = port.read_text().splitlines()[:2]
        yield Chromium(f"127.0.0.1:{number}", path)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until(look: Callable[[], T], what: Callable[[], str], seconds: float) -> T:
    """What `look` gives, once that is true. Raises NotSo."""
    end = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > end:
            raise NotSo(f"not within {seconds:g} s: {what()}")
        time.sleep(0.05)
    return found


def _one(selector: str) -> str:
    return f"document.querySelector({json.dumps(selector)})"
