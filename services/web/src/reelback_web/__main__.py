"""Web as a process."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from typing import Annotated, Literal

import httpx2
from pydantic import DirectoryPath, Field, IPvAnyNetwork, field_validator
from reelback_common import asgi, debug_endpoints, faults, settings, telemetry
from sentry_sdk.utils import Dsn

from reelback_web import app, files
from reelback_web.peers import Peers
from reelback_web.rates import Rates
from reelback_web.tunnel import MAX_AT_ONCE, Destination, Tunnel

ENVELOPES_PER_SECOND = 5.0
BURST = 60
"""Of one address: a page sends one for each click, and offices share an address."""


class Settings(settings.ServiceSettings):
    """The variables of web, and of admin, whose name is then `site_name`.

    `gateway_address` is `host:port` of the gateway as browsers reach it, in the scheme of the page; without one it is
    where the page is. `browser_dsn` takes what browsers report; `browser_sample_rate` is the part of their traces that
    is kept, `replay_sample_rate` the part of the sessions that is recorded whole where the player agrees; one with an
    error is anyway. `debug_panel` shows the debug endpoints to testers, and `sentry_web_url` is where its links lead:
    Sentry's web address, up to the organization. `web_peers` is `host:port` of all processes of web, where another
    release may serve beside this one. Behind an ingress its networks belong into `trusted_proxies`, or all
    browsers share its address.
    """

    site_name: Literal["web", "admin"] = "web"
    site_folder: DirectoryPath
    gateway_address: str = ""
    browser_dsn: str = ""
    browser_sample_rate: Annotated[float, Field(ge=0, le=1)] = 1.0
    replay_sample_rate: Annotated[float, Field(ge=0, le=1)] = 0.0
    debug_panel: bool = False
    web_peers: Annotated[str, Field(pattern=r"^([A-Za-z0-9.-]+:\d{1,5})?$")] = ""
    sentry_web_url: Annotated[str, Field(pattern="^(https?://[^ ]+/)?$")] = ""
    trusted_proxies: tuple[IPvAnyNetwork, ...] = ()

    @field_validator("gateway_address")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if value and not re.fullmatch(r"([A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(:\d{1,5})?", value):
            raise ValueError("not host:port")
        return value

    @field_validator("browser_dsn")
    @classmethod
    def _is_browser_dsn(cls, value: str) -> str:
        # Dsn raises BadDsn, a ValueError, which says what is missing.
        if value and not re.fullmatch(r"\w+", Dsn(value).public_key, re.ASCII):
            raise ValueError("browsers' SDK takes letters, digits and _ in a public key, and nothing else")
        return value


async def serve(options: Settings) -> None:
    """Serve until told to end."""
    try:
        pages = files.load(options.site_folder)
    except files.NoPages as error:
        raise SystemExit(f"SITE_FOLDER: {error}") from None
    panel = options.debug_panel and debug_endpoints.are_on(options.sentry_environment)
    destination = Destination.of(options.browser_dsn) if options.browser_dsn else None
    told = {
        "gateway": options.gateway_address,
        # The SDK asks for a host in a DSN; it sends nothing there but all to the tunnel.
        "dsn": destination.shown("tunnel.invalid") if destination else None,
        "release": options.sentry_release,
        "environment": options.sentry_environment,
        "traces_sample_rate": options.browser_sample_rate,
        "replay_sample_rate": options.replay_sample_rate,
        "debug_panel": panel,
        "sentry_web_url": options.sentry_web_url if panel else "",
        # The same as in a service, but that it happens in the page.
        "faults": {
            key: value
            for key, value in options.reelback_faults.items()
            if faults.FAULTS[key].service == options.site_name
        },
    }

    async def ready() -> None:
        """The pages are in memory from the start, and they need nobody."""

    limits = httpx2.Limits(max_connections=MAX_AT_ONCE)
    async with httpx2.AsyncClient(limits=limits, trust_env=False) as http:
        tunnel = Tunnel(destination, http, Rates(ENVELOPES_PER_SECOND, BURST, time.monotonic))
        proxies = [str(network) for network in options.trusted_proxies]
        site = app.create(pages, told, options.gateway_address, tunnel, Peers(options.web_peers, http))
        await asgi.serve(options.site_name, options, site, ready, proxies)


if __name__ == "__main__":
    options = settings.load(Settings)
    with telemetry.start(options.site_name, options):
        logging.getLogger("httpx2").setLevel(logging.WARNING)  # it says every request
        asyncio.run(serve(options))
