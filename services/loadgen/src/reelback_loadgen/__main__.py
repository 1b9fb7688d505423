"""`python -m reelback_loadgen`: players who send LOAD_RPS requests a second to GATEWAY_URL, for LOAD_SECONDS if set.

LOAD_BROWSERS more play in a browser at WEB_URL; where there is no Chromium it is said, and they are missing.
"""

from __future__ import annotations

import logging
import signal
import time
from collections import Counter

import gevent
import requests
from gevent.event import Event
from locust.env import Environment
from reelback_common import chromium
from reelback_common.settings import load

from reelback_loadgen import browsing
from reelback_loadgen.player import players
from reelback_loadgen.settings import LoadSettings

GATEWAY_DEADLINE = 120
"""Seconds the gateway has to become ready."""


def wait_for(gateway: str, ended: Event) -> None:
    """Return when the gateway is ready, or the end has come; without either end the process with one line."""
    end = time.monotonic() + GATEWAY_DEADLINE
    while not ended.is_set():
        try:
            if requests.get(f"{gateway}/readyz", timeout=2).ok:
                return
            problem = "is not ready"
        except requests.RequestException as error:
            problem = type(error).__name__
        if time.monotonic() > end:
            raise SystemExit(f"GATEWAY_URL {gateway}: {problem} after {GATEWAY_DEADLINE} s")
        ended.wait(0.5)


def main() -> None:
    """Run the players until SIGTERM, SIGINT or the end of LOAD_SECONDS; then say what came of it."""
    settings = load(LoadSettings)
    logging.basicConfig(level="WARNING", format="%(levelname)s %(name)s: %(message)s")
    ended = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, ended.set)
    wait_for(settings.gateway_url, ended)

    player, count, each_second = players(settings.load_rps)
    environment = Environment(user_classes=[player], host=settings.gateway_url)
    runner = environment.create_local_runner()
    runner.start(count, spawn_rate=each_second)
    started = time.monotonic()
    browsers = gevent.spawn(_browsers, settings, ended)
    ended.wait(settings.load_seconds)
    ended.set()
    seconds = time.monotonic() - started
    runner.quit()
    total = environment.stats.total
    print(
        f"{total.num_requests} requests in {seconds:.0f} s ({total.num_requests / seconds:.1f}/s), "
        f"{total.num_failures} failed ({total.fail_ratio:.1%}), "
        f"p95 {total.get_response_time_percentile(0.95) or 0:.0f} ms",
    )
    if visits := browsers.get():
        print("visits in a browser: " + ", ".join(f"{count} {how}" for how, count in visits.most_common()))


def _browsers(settings: LoadSettings, ended: Event) -> Counter[str]:
    """Let players visit the pages, and say how visits ended."""
    if not settings.load_browsers:
        return Counter()
    if not settings.web_url or not chromium.executable():
        why = "there is no chromium on the PATH" if settings.web_url else "WEB_URL is not set"
        print(f"nobody plays in a browser ({why}): all players use HTTP", flush=True)
        return Counter()
    return browsing.play(settings.web_url, settings.gateway_url, settings.web_shown_as, settings.load_browsers, ended)


if __name__ == "__main__":
    main()
