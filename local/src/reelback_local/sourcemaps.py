"""Source maps of the pages, sent to a Sentry by its own `sentry-cli`: it then shows lines of the sources.

`python -m reelback_local.sourcemaps` sends those of the sources as they are to SENTRY_URL, or to the local stack's
minisentry.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from reelback_local import site
from reelback_local.control import Control, ControlError, NotRunning
from reelback_local.layout import values
from reelback_local.layout.home import Home

UPLOAD_SECONDS = 60


class NotSent(Exception):
    """The source maps are not there. The message is one line."""


@dataclass(frozen=True, slots=True)
class Place:
    """A project of a Sentry, and who may write to it."""

    url: str
    organization: str
    project: str
    token: str

    @classmethod
    def of_minisentry(cls, url: str, home: Home, pages: str) -> Place:
        """The local stack's own, whose projects have the names of the sites."""
        return cls(url, "reelback", pages, home.secrets(["MINISENTRY_TOKEN"])["MINISENTRY_TOKEN"])

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Place:
        """A team's own. Raises NotSent."""
        names = ("SENTRY_ORG", "SENTRY_BROWSER_PROJECT", "SENTRY_AUTH_TOKEN")
        if missing := [name for name in names if not environ.get(name)]:
            raise NotSent(f"{', '.join(missing)}: needed beside SENTRY_URL")
        return cls(environ["SENTRY_URL"], *(environ[name] for name in names))


async def send(place: Place, pages: str, release: str) -> None:
    """Send the source maps of a site's present build. Raises NotSent."""
    if pages not in site.built() or not site.SENTRY_CLI.is_file():
        raise NotSent("there is no build of the pages")
    command = [str(site.SENTRY_CLI), "--url", place.url, "sourcemaps", "upload", "--org", place.organization]
    command += ["--project", place.project, "--release", release, "--wait", str(site.maps(pages))]
    process = await asyncio.create_subprocess_exec(
        *command,
        # By the environment, which only this user may read; an argument is read by everybody.
        env={**os.environ, "SENTRY_AUTH_TOKEN": place.token, "SENTRY_DISABLE_UPDATE_CHECK": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        raise NotSent(f"sentry-cli took longer than {UPLOAD_SECONDS} s") from None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if process.returncode:
        lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
        wrong = next((line for line in lines if line.startswith("error")), f"exit code {process.returncode}")
        raise NotSent(f"sentry-cli: {wrong[:200]}")


async def _main() -> None:
    try:
        await site.build()
        for pages in site.SITES:
            place = await _place(pages)
            release = f"{pages}@{os.environ.get('SENTRY_VERSION') or values.load().version}"
            await send(place, pages, release)
            print(f"the source maps of {release} are at {place.url}")
    except (NotSent, NotRunning, ControlError, site.SiteError) as error:
        sys.exit(f"the source maps were not sent: {error}")


async def _place(pages: str) -> Place:
    if os.environ.get("SENTRY_URL"):
        return Place.of_environment(os.environ)
    home = Home.default()
    async with Control(home) as control:
        found = (await control.status()).minisentry
    if not found:
        raise NotSent("SENTRY_URL: needed where the local stack has no minisentry")
    return Place.of_minisentry(found, home, pages)


if __name__ == "__main__":
    asyncio.run(_main())
