"""What the pages cost a player, and what Sentry costs of it, in one run: bytes, first paint, and a click on spin.

The same pages are built twice, as they are and without Sentry's SDK (its one user, `telemetry.ts`, does nothing then),
and served side by side on one stack. Turns come in pairs whose order is drawn, so that whatever the machine does
meanwhile falls on both alike. A paint is of a first visit, with nothing cached; players who have agreed to be recorded
are a third kind. A click is from the event to the frame after it, at a machine that plays.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import random
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import numpy as np
from reelback_common import chromium
from reelback_common.chromium import Chromium, Page
from reelback_local import site
from reelback_local.layout import ports

from tests.local.stack import Stack, until

VISITS = 20
CLICKS = 20

SILENT = """
import type { ErrorInfo } from "react";
export type Within = <R>(run: () => R) => R;
export function start(_: unknown): void {}
export function reports(): boolean { return false; }
export function record(_: boolean): void {}
export function routed(_: string, __: string): void {}
export function broke(_: string, __: unknown, ___: ErrorInfo): string { return ""; }
export function said(_: string, __: string): void {}
export function happened(_: string, __: number): void {}
export function newTrace(_: string): string { return ""; }
export function acted(_: string): void {}
export function clicked<T>(_: string, work: (within: Within, trace: string) => Promise<T>): Promise<T> {
  return work((run) => run(), "");
}
export function asked<T>(_: string, __: string, work: (headers: Record<string, string>) => Promise<T>): Promise<T> {
  return work({});
}
"""

PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"

CLICK = """
new Promise((done) => {
  const button = document.querySelector("button.spin");
  button.addEventListener("click", () => {
    const began = performance.now();
    requestAnimationFrame(() => setTimeout(() => done(performance.now() - began)));
  }, { capture: true, once: true });
  button.click();
})
"""


async def _built_without_sentry(folder: Path) -> Path:
    """The pages without the SDK."""
    sources = folder / "sources" / "web"
    shutil.copytree(site.SOURCES / "web", sources, ignore=shutil.ignore_patterns("node_modules", "dist", "maps", "src"))
    (sources / "app" / "telemetry.ts").write_text(SILENT)
    (sources / "app" / "replay.ts").write_text("export function start(): void {}\nexport function stop(): void {}\n")
    (sources / "app" / "vitals.ts").write_text("export async function measure(): Promise<void> {}\n")
    site.SITES = ("web",)
    site.SOURCES, site.KEPT, site.SENTRY_CLI = sources.parent, folder / "kept", folder / "sentry-cli"
    await site.build()
    return site.built()["web"]


@contextmanager
def _serving(pages: Path, stack: Stack, port: int) -> Iterator[str]:
    """A further web, with these pages, that reports nothing."""
    gateway = stack.url("gateway").removeprefix("http://")
    env = {"PORT": str(port), "METRICS_PORT": "0", "SITE_FOLDER": str(pages), "GATEWAY_ADDRESS": gateway}
    process = subprocess.Popen([sys.executable, "-m", "reelback_web"], env={**os.environ, **env})
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: _ready(url), "web without Sentry")
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _ready(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz", timeout=2).status_code == 200
    except httpx2.HTTPError:
        return False


def _first_load(pages: Path) -> int:
    """Bytes until the game can be played, compressed."""
    html = (pages / "index.html").read_text()
    files = [pages / name for name in re.findall(r'/(assets/[^"]+)"', html)]
    return sum(len(gzip.compress(file.read_bytes(), 9)) for file in files)


def _later(pages: Path, name: str) -> int:
    return sum(len(gzip.compress(file.read_bytes(), 9)) for file in (pages / "assets").glob(f"{name}-*.js"))


def _visit(browser: Chromium, url: str) -> float:
    """Milliseconds to the first paint of a first visit."""
    with browser.page() as page:
        page.open(f"{url}/")
        page.wait(".front")
        painted: float = until(lambda: page.run(PAINT), "a paint")
        return painted


def _seat(page: Page, url: str, recorded: bool) -> None:
    page.open(f"{url}/")
    page.wait(".front")
    if page.sees(".question"):
        page.click(".question button" if recorded else ".question button.quiet")
    page.click("button.link")
    page.fill("display_name", "Bench")
    page.fill("email", f"{secrets.token_hex(8)}@players.example")
    page.fill("password", secrets.token_hex(16))
    page.click("form button")
    page.click("a[href='#/wallet']")
    page.fill("amount", "1000")
    page.click(".card form button")
    page.wait(".done")
    page.click("a[href='#/play']")
    page.wait(".connection.live")


def _click(page: Page) -> float:
    took: float = page.run(CLICK)
    page.wait(".cabinet[aria-busy=false]")
    return took


def _told(samples: Mapping[str, Sequence[float]], share: float) -> dict[str, float]:
    return {kind: round(float(np.percentile(values, share)), 1) for kind, values in samples.items()}


def _measure(browser: Chromium, urls: Mapping[str, str]) -> dict[str, Any]:
    paints: dict[str, list[float]] = {"on": [], "off": []}
    for _ in range(VISITS):
        for kind in random.sample(sorted(paints), len(paints)):
            paints[kind].append(_visit(browser, urls[kind]))
    clicks: dict[str, list[float]] = {"on": [], "recorded": [], "off": []}
    with browser.page() as on, browser.page() as recorded, browser.page() as off:
        tables = {"on": on, "recorded": recorded, "off": off}
        for kind, page in tables.items():
            _seat(page, urls["off" if kind == "off" else "on"], kind == "recorded")
        for _ in range(CLICKS):
            for kind in random.sample(sorted(tables), len(tables)):
                clicks[kind].append(_click(tables[kind]))
    return {
        "visits": VISITS,
        "clicks": CLICKS,
        "firstContentfulPaintMs": {"p50": _told(paints, 50), "p95": _told(paints, 95)},
        "clickToFrameMs": {"p50": _told(clicks, 50), "p95": _told(clicks, 95)},
    }


def main() -> None:
    if not chromium.executable():
        raise SystemExit("there is no chromium on the PATH")
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(site.build())
        on = site.built()["web"]
        later = {name: _later(on, name) for name in ("replay", "worker-bundler", "vitals")}
        with Stack.running(Path(folder, "stack")) as stack:
            off = asyncio.run(_built_without_sentry(Path(folder)))
            (profile := Path(folder, "chromium")).mkdir()
            with _serving(off, stack, ports.free()[0]) as without:
                # Where the gateway lets pages come from there are two names for the same machine.
                second = stack.url("web").replace("127.0.0.1", "localhost")
                mapped = f"--host-resolver-rules=MAP {urlsplit(second).netloc} {urlsplit(without).netloc}"
                with chromium.running(profile, mapped) as browser:
                    figures = _measure(browser, {"on": stack.url("web"), "off": second})
            figures["firstLoadBytes"] = {"on": _first_load(on), "off": _first_load(off)}
            figures["laterBytes"] = later
            print(json.dumps(figures))


if __name__ == "__main__":
    main()
